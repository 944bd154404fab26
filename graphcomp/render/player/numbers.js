// Numbers as a story writes them: so many decimals, no trailing zeros, powers of ten for what is very small or large.
// A number becomes tokens of the page's formulas, as the page's data holds them.
const graphcompNumbers = (digits) => {
  // Rounds an exact decimal expansion; a tie goes to the even digit.
  const rounded = (short, exact, kept) => {
    const tail = exact.slice(kept).replace(".", "");
    if (!/^50*$/.test(tail)) return short;
    const down = exact.slice(0, kept).replace(/\.$/, "");
    return Number(down[down.length - 1]) % 2 ? short : down;
  };
  const fixed = (size, places) => {
    const exact = size.toFixed(100);
    return rounded(size.toFixed(places), exact, exact.indexOf(".") + 1 + places);
  };
  const minus = (value, text) => (value < 0 && Number(text) !== 0 ? `−${text}` : text);
  const decimal = (value, places) => {
    const text = fixed(Math.abs(value), places);
    return minus(value, text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text);
  };
  const scientific = (value) => {
    const places = Math.max(digits - 1, 0);
    const size = Math.abs(value);
    const exact = size.toExponential(100).split("e")[0];
    const [mantissa, exponent] = size.toExponential(places).split("e");
    const text = rounded(mantissa, exact, exact.indexOf(".") + 1 + places);
    return [decimal(Math.sign(value) * Number(text), digits), "×", { of: ["10"], up: [String(Number(exponent)).replace("-", "−")] }];
  };
  const tokens = (value) => {
    if (typeof value === "boolean") return [{ sign: value ? "true" : "false" }];
    if (Number.isNaN(value)) return [{ sign: "nan" }];
    if (!Number.isFinite(value)) return [value > 0 ? "∞" : "−∞"];
    const size = Math.abs(value);
    if (size && (size >= 1e7 || size < .5 * 10 ** -digits)) {
      const [mantissa, , power] = scientific(value);
      return [mantissa, { sign: "×" }, power];
    }
    return [decimal(value, digits)];
  };
  return { tokens };
};
