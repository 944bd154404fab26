// Draws formulas from the page's data: pieces with known outlines are set side by side, numbers character by character.
// The same tokens give a formula's MathML and its words.  Text only ever becomes a text node.
const graphcompFormulas = (data, numbers) => {
  const svgNames = "http://www.w3.org/2000/svg";
  const mathNames = "http://www.w3.org/1998/Math/MathML";
  const superscripts = { "−": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const raisedTable = new Map(data.raised.map(([character, ...glyph]) => [character, glyph]));
  const raisedSize = .7;
  let results = null;

  const svg = (tag, attributes, parent) => {
    const made = document.createElementNS(svgNames, tag);
    for (const name in attributes) made.setAttribute(name, attributes[name]);
    if (parent) parent.append(made);
    return made;
  };
  const mathml = ([tag, ...content]) => {
    const made = document.createElementNS(mathNames, tag);
    for (const part of content) {
      if (typeof part === "string") made.append(part);
      else if (Array.isArray(part)) made.append(mathml(part));
      else for (const name in part) made.setAttribute(name, part[name]);
    }
    return made;
  };

  // A form: width, ascent, descent, runs of glyphs [scale, name, x, y, …], bars, text set as words, its reading, MathML.
  const empty = () => ({ width: 0, ascent: 0, descent: 0, runs: [], rules: [], words: [], plain: "", mathml: [] });
  const put = (form, part, x, y, size = 1) => {
    for (const [scale, ...places] of part.runs) {
      form.runs.push([scale * size, ...places.map((one, at) => (at % 3 ? one * size + (at % 3 === 1 ? x : y) : one))]);
    }
    for (const [left, top, width, height] of part.rules) form.rules.push([left * size + x, top * size + y, width * size, height * size]);
    for (const [text, left, base, width, letters] of part.words) form.words.push([text, left * size + x, base * size + y, width * size, letters * size]);
    form.ascent = Math.max(form.ascent, part.ascent * size - y);
    form.descent = Math.max(form.descent, part.descent * size + y);
    form.width = Math.max(form.width, x + part.width * size);
    form.mathml.push(...part.mathml);
  };
  const piece = (number) => {
    const [plain, element, width, ascent, descent, runs, rules, words = []] = data.pieces[number];
    return { plain, mathml: [element], width, ascent, descent, runs, rules, words };
  };
  const written = (text) => (text.startsWith("−")
    ? [["mo", { form: "prefix", lspace: "0", rspace: "0" }, "−"], ["mn", text.slice(1)]] : [["mn", text]]);
  const digits = (text) => {
    const form = empty();
    for (const character of text) put(form, piece(data.characters[character]), form.width, 0);
    return { ...form, plain: text, mathml: written(text) };
  };
  const raisedDigits = (text) => {
    const form = empty();
    for (const character of text) {
      const [name, scale, width] = raisedTable.get(character);
      put(form, { ...empty(), width, ascent: 50, runs: [[scale, name, 0, 0]] }, form.width, 0);
    }
    return { ...form, plain: text, mathml: /\d/.test(text) ? written(text) : [["mo", { stretchy: "false" }, text]] };
  };
  const row = (parts) => {
    const form = empty();
    for (const part of parts) {
      put(form, part, form.width, 0);
      form.plain += part.plain;
    }
    return form;
  };
  const one = (form) => (form.mathml.length === 1 ? form.mathml[0] : ["mrow", ...form.mathml]);
  const inGroup = (text) => (/[×/ ]|.[+−]/.test(text) && !/^\(.*\)$/.test(text) ? `(${text})` : text);
  const power = (token, raised) => {
    const base = row(token.of.map((part) => layout(part, raised)));
    const exponent = row(token.up.map((part) => layout(part, true)));
    const inBrackets = base.plain.endsWith(")");
    const alone = token.up.length === 1 && /^[0-9.]+$/.test(exponent.plain) ? 0 : 1;
    const rise = (inBrackets ? data.riseInBrackets : token.rise ?? data.rise)[alone] * (raised ? raisedSize : 1);
    const form = empty();
    put(form, base, 0, 0);
    put(form, exponent, base.width, -rise, raised ? raisedSize : 1);
    const plain = /^[0-9−]+$/.test(exponent.plain)
      ? inGroup(base.plain) + exponent.plain.replace(/./g, (sign) => superscripts[sign]) : `${inGroup(base.plain)}^${inGroup(exponent.plain)}`;
    return { ...form, plain, mathml: [["msup", one(base), one(exponent)]] };
  };
  const root = (token, raised) => {
    const [, , width, ascent, descent, [sign], [bar]] = data.root;
    const inner = row(token.root.map((part) => layout(part, raised)));
    const form = empty();
    put(form, { ...empty(), width: bar[0], ascent, descent, runs: [sign.slice(0, 4)], rules: [[bar[0], bar[1], inner.width, bar[3]]] }, 0, 0);
    put(form, inner, bar[0], 0);
    form.width = width - bar[2] + inner.width;
    return { ...form, plain: `√${inner.plain}`, mathml: [["msqrt", ...inner.mathml]] };
  };
  const sign = (name, raised) => (raised ? (raisedTable.has(name) ? raisedDigits(name) : piece(data.signs[name])) : piece(data.signs[name]));
  const current = ({ now, from: [sweep, ...places] }) => {
    if (!results) return now;
    const values = places.map((place) => results[sweep][place]);
    return numbers.tokens(values.length === 1 ? values[0] : values.reduce((sum, value) => sum + value, 0));
  };
  const hole = (token, raised) => {
    const tokens = current(token);
    const parts = tokens.map((part) => layout(part, raised));
    const bracketed = token.brackets && typeof tokens[0] === "string" && tokens[0].startsWith("−");
    return row(bracketed ? [sign("(", raised), ...parts, sign(")", raised)] : parts);
  };
  const layout = (token, raised = false) => {
    if (typeof token === "string") return raised ? raisedDigits(token) : digits(token);
    if (typeof token === "number") return piece(token);
    if (token.sign) return sign(token.sign, raised);
    if (token.up) return power(token, raised);
    if (token.root) return root(token, raised);
    return hole(token, raised);
  };

  // Each formula is drawn once, in the page's store, when it is first needed.
  const forms = new Map();
  const isLive = (token) => typeof token === "object" && (token.from || [token.of, token.up, token.root].some((part) => part && part.some(isLive)));
  const live = data.formulas.map((tokens) => tokens.some(isLive));
  const form = (number) => {
    if (!forms.has(number)) forms.set(number, row(data.formulas[number].map((token) => layout(token))));
    return forms.get(number);
  };
  // All glyphs of one size are one path: an outline's steps are relative, so it only needs to be told where it begins.
  const outline = (place, { runs, rules, words }) => {
    place.replaceChildren();
    const sizes = new Map();
    for (const [scale, ...places] of runs) {
      let path = sizes.get(scale) || "";
      for (let at = 0; at < places.length; at += 3) {
        path += `M${(places[at + 1] / scale).toFixed(1)} ${(places[at + 2] / scale).toFixed(1)}${data.glyphs[places[at]]}`;
      }
      sizes.set(scale, path);
    }
    for (const [scale, d] of sizes) svg("path", { transform: `scale(${scale})`, d }, place);
    for (const [x, y, width, height] of rules) svg("rect", { x, y, width, height }, place);
    // What the font for formulas lacks, in the place kept for it.
    for (const [text, x, y, width, size] of words) {
      svg("text", { x: x + width / 2, y, "font-size": size, "text-anchor": "middle" }, place).textContent = text;
    }
  };
  const drawn = (number) => {
    const name = `f-${number}`;
    if (!document.getElementById(name)) outline(svg("g", { id: name }, document.getElementById("store")), form(number));
    return `#${name}`;
  };

  // In running text: outlines to look at, MathML for screen readers and for copying.
  const filled = new Set();
  const fill = (place) => {
    const number = Number(place.dataset.formula);
    const { width, ascent, descent, plain, mathml: elements } = form(number);
    const picture = svg("svg", { "aria-hidden": "true", viewBox: `0 ${-ascent} ${width} ${ascent + descent}` });
    picture.style.cssText = `width:${(width / 100).toFixed(3)}em;height:${((ascent + descent) / 100).toFixed(3)}em;vertical-align:${(-descent / 100).toFixed(3)}em`;
    svg("use", { href: drawn(number) }, picture);
    const spoken = "label" in place.dataset
      ? Object.assign(document.createElement("span"), { className: "unseen", textContent: plain })
      : mathml(["math", ["mrow", ...elements]]);
    place.replaceChildren(picture, spoken);
    place.dataset.plain = plain;
    if (live[number] && place.isConnected) filled.add(place);
  };
  const fillAll = (root) => {
    for (const place of root.querySelectorAll("[data-formula]:not([data-plain])")) fill(place);
  };
  const compute = (found) => {
    results = found;
    live.forEach((isOne, number) => {
      if (!isOne) return;
      forms.delete(number);
      const place = document.getElementById(`f-${number}`);
      if (place) outline(place, form(number));
    });
    for (const place of filled) fill(place);
  };
  return { svg, drawn, fillAll, compute, form, isLive: (number) => live[number], plain: (number) => form(number).plain,
    number: (value) => row(numbers.tokens(value).map((token) => layout(token))).plain };
};
