"use strict";
// Reads what a reader types, a number or a formula such as 1*cos(w1) + w2, and computes it.  Nothing is evaluated as
// code: only numbers, names, brackets, signs and the functions below mean anything.
const graphcompExpression = (() => {
  const functions = {
    sin: Math.sin, cos: Math.cos, tan: Math.tan, arcsin: Math.asin, arccos: Math.acos, arctan: Math.atan,
    sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh, exp: Math.exp, ln: Math.log, log: Math.log, sqrt: Math.sqrt,
    abs: Math.abs, max: Math.max, min: Math.min, sigmoid: (x) => 1 / (1 + Math.exp(-x)), relu: (x) => Math.max(x, 0),
  };
  const constants = { pi: Math.PI, e: Math.E };
  const digits = { "₀": 0, "₁": 1, "₂": 2, "₃": 3, "₄": 4, "₅": 5, "₆": 6, "₇": 7, "₈": 8, "₉": 9 };
  const own = (table, name) => (Object.prototype.hasOwnProperty.call(table, name) ? table[name] : undefined);

  const tokens = (text) => {
    const plain = text.replace(/[₀-₉]/g, (sign) => digits[sign]).replace(/[·×⋅]/g, "*").replace(/[−–]/g, "-")
      .replace(/\*\*/g, "^").replace(/(\d),(\d)/g, "$1.$2");
    const found = plain.match(/\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[\p{L}_][\p{L}\p{N}_]*|[-+*/^(),]|\S/gu);
    return found || [];
  };

  // The grammar: sum = product (+ product)*, product = power (* power)*, power = sign atom (^ power); two factors may
  // stand beside each other.
  const evaluate = (text, variables) => {
    const list = tokens(text);
    let at = 0;
    let depth = 0;
    const fail = () => { throw new Error("cannot be read"); };
    const take = (sign) => (list[at] === sign ? list[at++] : "");
    const sum = () => {
      if (++depth > 100) fail();
      let value = product();
      while (list[at] === "+" || list[at] === "-") value = take("+") ? value + product() : (take("-"), value - product());
      depth -= 1;
      return value;
    };
    const begins = () => at < list.length && /^[\d.\p{L}_(]/u.test(list[at]);
    const product = () => {
      let value = signed();
      for (;;) {
        if (take("*")) value *= signed();
        else if (take("/")) value /= signed();
        else if (begins()) value *= power();
        else return value;
      }
    };
    const signed = () => {
      if (++depth > 100) fail();
      const value = take("-") ? -signed() : take("+") ? signed() : power();
      depth -= 1;
      return value;
    };
    const power = () => {
      const base = atom();
      return take("^") ? base ** signed() : base;
    };
    const inBrackets = () => {
      const values = [sum()];
      while (take(",")) values.push(sum());
      if (!take(")")) fail();
      return values;
    };
    const atom = () => {
      const token = list[at++];
      if (token === undefined) fail();
      if (/^[\d.]/.test(token)) return Number(token);
      if (token === "(") {
        const values = inBrackets();
        return values.length === 1 ? values[0] : fail();
      }
      if (own(variables, token) !== undefined) return variables[token];
      const plain = token.replace("_", "");
      if (own(variables, plain) !== undefined) return variables[plain];
      if (own(functions, token)) return take("(") ? functions[token](...inBrackets()) : functions[token](power());
      return own(constants, token) ?? fail();
    };
    const value = sum();
    if (at < list.length || !Number.isFinite(value)) fail();
    return value;
  };
  return { evaluate };
})();
