// Draws the graph from the page's data, left to right or bottom up: each when it is first seen.
const graphcompDrawing = (data, formulas) => {
  const { svg } = formulas;
  const colour = (name) => (name ? `var(--${name.replace(/_/g, "-")})` : "none");
  const outline = (stroke, thickness) => (stroke ? { stroke: colour(stroke), "stroke-width": thickness, "stroke-linecap": "round" } : {});
  const moving = [];
  const makers = {
    rectangle: ([fill, stroke, thickness, rx], [x, y, width, height], parent) => svg("rect", { x, y, width, height, rx, fill: colour(fill), ...outline(stroke, thickness) }, parent),
    lower: ([fill, stroke, thickness, r], [x, y, width, height], parent) => svg("path", {
      d: `M${x} ${y}h${width}v${height - r}a${r} ${r} 0 0 1 ${-r} ${r}h${2 * r - width}a${r} ${r} 0 0 1 ${-r} ${-r}z`, fill: colour(fill), ...outline(stroke, thickness),
    }, parent),
    // What a small map says, for a pointer that rests on it and for readers of the drawing.
    titled: (_, [x, y, width, height, text], parent) => {
      const made = svg("rect", { x, y, width, height, fill: "transparent" }, parent);
      svg("title", {}, made).textContent = text;
      return made;
    },
    curve: ([, stroke, thickness, dashed], d, parent) => svg("path", { d, fill: "none", ...outline(stroke, thickness), ...(dashed ? { "stroke-dasharray": 4 * thickness } : {}) }, parent),
    head: ([fill], points, parent) => svg("polygon", { points, fill: colour(fill) }, parent),
    words: ([fill, anchor, size, bold], [text, x, y], parent) => {
      const made = svg("text", { x, y, "font-size": size, "text-anchor": anchor, fill: colour(fill), ...(bold ? { "font-weight": "bold" } : {}) }, parent);
      made.textContent = text;
      return made;
    },
    // Runs of equal cells are one rectangle.
    heat: ([cell], [x, y, rows], parent) => {
      const made = svg("g", { class: "heat" }, parent);
      rows.split(" ").forEach((row, down) => {
        for (const run of row.matchAll(/(.)\1*/g)) {
          if (run[1] !== ".") svg("rect", { x: x + run.index * cell, y: y + down * cell, width: run[0].length * cell, height: cell, fill: colour(`heat_${run[1]}`) }, made);
        }
      });
      return made;
    },
    formula: ([fill, scale], [number, left, y], parent, room) => {
      const made = svg("use", { href: formulas.drawn(number), fill: colour(fill), transform: `translate(${left} ${y}) scale(${scale})` }, parent);
      if (formulas.isLive(number)) moving.push({ made, number, scale, y, room, centre: left + formulas.form(number).width * scale / 2 });
      return made;
    },
  };
  const shapes = (list, parent) => {
    const frame = list.find(([style]) => data.styles[style][0] === "rectangle");
    const room = frame ? frame[1][2] - 12 : Infinity;
    for (const [style, place, frames] of list) {
      const [name, ...look] = data.styles[style];
      const made = makers[name](look, place, parent, room);
      if (frames !== undefined) made.dataset.frames = data.spans[frames].map((span) => span.join("-")).join(" ");
    }
  };
  const [wide] = data.drawings;
  const place = ({ name, width, height }, parent) => {
    const root = svg("svg", { class: name, width, height, viewBox: `0 0 ${width} ${height}` }, parent);
    root.style.setProperty("--least", `${width / 2}px`);
    root.style.setProperty("--low", `${height / 2}px`);
    return root;
  };
  // What looks the same in both stands in the data of the first.
  const fill = (root) => {
    const { groups } = data.drawings.find(({ name }) => root.classList.contains(name));
    groups.forEach(([owner, left, top, list], index) => {
      const group = svg("g", owner ? { "data-owner": owner } : {}, root);
      shapes(list || wide.groups[index][3], svg("g", { transform: `translate(${left} ${top})` }, group));
    });
  };
  // A number that is longer than before is made smaller where its card has no room.
  const centre = () => {
    for (const { made, number, scale, y, room, centre: middle } of moving) {
      const { width } = formulas.form(number);
      const fitting = Math.min(scale, room / width);
      made.setAttribute("transform", `translate(${middle - width * fitting / 2} ${y}) scale(${fitting})`);
    }
  };
  return { draw: (parent) => data.drawings.map((drawing) => place(drawing, parent)), fill, centre };
};
