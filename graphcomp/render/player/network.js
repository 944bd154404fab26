"use strict";
(() => {
  const { levels, titles, sizes, opened: given, largest, words: said } = JSON.parse(document.getElementById("network").textContent);
  const find = (id) => document.getElementById(id);
  const place = find("graph");
  const NS = "http://www.w3.org/2000/svg";
  const say = (key, parts) => said[key].replace(/\{(\w+)\}/g, (_, name) => parts[name]);
  const make = (name, attributes = {}, text = "") => {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    return element;
  };
  const opened = new Set();
  let cards = new Map(); // what can be reached by keys: path or node → its box and its element
  let chosen = "";
  let marked; // the face that shows what is chosen
  let lit = []; // the edges of its card
  let zoom = 1;

  // Layout: the columns and their order are given, since they do not depend on how large the cards are. ------------------
  const apart = (column, wished, weights) => {
    const offsets = [];
    column.forEach((item, k) => {
      if (!k) return offsets.push(0);
      const above = column[k - 1];
      const gap = item.member || above.member ? sizes.down : sizes.down / 2;
      return offsets.push(offsets[k - 1] + (above.height + item.height) / 2 + gap);
    });
    const pools = [];
    wished.forEach((want, k) => {
      pools.push([want - offsets[k], weights[k], 1]);
      while (pools.length > 1 && pools.at(-2)[0] > pools.at(-1)[0]) {
        const [other, light, few] = pools.pop();
        const [mean, heavy, many] = pools.pop();
        pools.push([(mean * heavy + other * light) / (heavy + light), heavy + light, many + few]);
      }
    });
    return pools.flatMap(([mean, , many]) => Array(many).fill(mean)).map((mean, k) => mean + offsets[k]);
  };
  const settle = (columns) => {
    for (const column of columns) {
      const near = column.map((item) => [...item.before, ...item.after]);
      const wished = column.map((item, k) => near[k].length
        ? near[k].reduce((sum, other) => sum + other.middle, 0) / near[k].length : item.middle);
      const weights = column.map((item, k) => near[k].length ? (item.member ? 1 : sizes.laneWeight) : 0.1);
      apart(column, wished, weights).forEach((middle, k) => { column[k].middle = middle; });
    }
  };
  const arrange = (level, inner) => {
    const items = level.items.map(([width, height], k) => ({
      width, height, member: k < level.members.length, middle: 0, left: 0, before: [], after: [], column: 0,
    }));
    inner.forEach((inside, k) => {
      items[k].width = Math.max(items[k].width, inside.width + 2 * sizes.padding);
      items[k].height = inside.height + sizes.header + sizes.padding;
    });
    const columns = level.columns.map((column, number) => column.map((k) => Object.assign(items[k], { column: number })));
    const ways = level.ways.map(([source, target, lanes, label, back, width, text]) => ({
      source: items[source], target: items[target], lanes: lanes.map((k) => items[k]), label: items[label], back, width, text,
      ends: [source, target],
    }));
    for (const way of ways) {
      const stops = way.back ? [...way.lanes].reverse() : [way.source, ...way.lanes, way.target];
      for (let k = 1; k < stops.length; k += 1) {
        stops[k - 1].after.push(stops[k]);
        stops[k].before.push(stops[k - 1]);
      }
    }
    for (let sweep = 0; sweep < sizes.sweeps; sweep += 1) settle(sweep % 2 ? [...columns].reverse() : columns);
    const bounds = [];
    let left = sizes.margin;
    for (const column of columns) {
      const width = Math.max(...column.map((item) => item.width));
      for (const item of column) item.left = left + (width - item.width) / 2;
      bounds.push([left, left + width]);
      left += width + (level.labelled ? sizes.labelled : sizes.across);
    }
    const turns = ways.some((way) => way.back) ? sizes.across / 2 : 0;
    const up = items.length ? Math.min(...items.map((item) => item.middle - item.height / 2)) - sizes.margin : 0;
    for (const item of items) {
      item.middle -= up;
      item.left += turns;
    }
    for (const bound of bounds) { bound[0] += turns; bound[1] += turns; }
    return {
      items, ways, bounds,
      width: (bounds.length ? bounds.at(-1)[1] : 0) + turns + sizes.margin,
      height: Math.max(0, ...items.map((item) => item.middle + item.height / 2)) + sizes.margin,
    };
  };

  // Edges: level in their lanes, an even S between columns, a turn where they lead back. ---------------------------------
  const endHeights = (ways) => {
    const ends = ways.map((way) => [way.source.middle, way.target.middle]);
    const sides = new Map();
    ways.forEach((way, slot) => {
      const [first, last] = way.lanes.length ? [way.lanes[0], way.lanes.at(-1)] : [way.target, way.source];
      for (const [item, end, other] of [[way.source, 0, first], [way.target, 1, last]]) {
        if (!sides.has(item)) sides.set(item, [[], []]);
        sides.get(item)[end].push([other.middle, slot]);
      }
    });
    for (const [item, both] of sides) {
      both.forEach((meeting, end) => {
        const step = Math.min(sizes.spread, (0.7 * item.height) / Math.max(meeting.length - 1, 1));
        meeting.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
        meeting.forEach(([, slot], k) => { ends[slot][end] += (k - (meeting.length - 1) / 2) * step; });
      });
    }
    return ends;
  };
  const route = (way, [leaves, arrives], bounds) => {
    let [x, y] = [way.source.left + way.source.width, leaves];
    const paths = [];
    let path = `M${x.toFixed(1)} ${y.toFixed(1)}`;
    const level = (across) => { x = across; path += `H${x.toFixed(1)}`; };
    const turnTo = (across, down, turns, side) => {
      const half = turns ? x + side * 0.62 * sizes.labelled : (x + across) / 2;
      const second = turns ? across + side * 0.62 * sizes.labelled : half;
      path += `C${half.toFixed(1)} ${y.toFixed(1)} ${second.toFixed(1)} ${down.toFixed(1)} ${across.toFixed(1)} ${down.toFixed(1)}`;
      [x, y] = [across, down];
    };
    level(bounds[way.source.column][1]);
    way.lanes.forEach((lane, k) => {
      const [near, far] = way.back ? [...bounds[lane.column]].reverse() : bounds[lane.column];
      turnTo(near, lane.middle, way.back && k === 0, 1);
      if (lane === way.label) {
        const [enter, leave] = [lane.left, lane.left + lane.width];
        level(way.back ? leave : enter);
        paths.push(path);
        x = way.back ? enter : leave;
        path = `M${x.toFixed(1)} ${y.toFixed(1)}`;
      }
      level(far);
    });
    turnTo(bounds[way.target.column][0], arrives, way.back, -1);
    const head = 10 + 1.5 * way.width;
    level(Math.max(way.target.left - head + 2, bounds[way.target.column][0]));
    return { paths: [...paths, path], tip: [way.target.left, arrives], head };
  };

  // Drawing -------------------------------------------------------------------------------------------------------------
  // A level is drawn once. When a group opens or closes, the cards and edges of the levels around it only move.
  const words = (x, y, text, name) => make("text", { x: x.toFixed(1), y: y.toFixed(1), class: name }, text);
  const change = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
    }
  };
  const paint = (face, member, { width, height }, open) => {
    const box = { width: width.toFixed(1), height: height.toFixed(1), rx: { group: 14, node: 6 }[member.kind] ?? 18 };
    const parts = [];
    if (member.times > 1 && !open) {
      for (const shift of [8, 4]) parts.push(make("rect", { x: shift, y: shift, ...box, class: "behind" }));
    }
    parts.push(make("rect", { x: 0, y: 0, ...box, class: "box" }));
    if (member.kind === "from" || member.kind === "to") {
      parts.push(words(width / 2, 24, member.title, "detail"));
    } else {
      const sign = member.kind === "group" ? (open ? "− " : "+ ") : "";
      parts.push(words(open ? sizes.padding : width / 2, 26, sign + member.title, "title"));
      if (!open) parts.push(words(width / 2, 46, member.detail, "detail"));
      if (member.number !== null && !open) {
        const share = largest ? Math.abs(member.number) / largest : 0;
        const step = 4 + Math.round(4 * share) * (member.number >= 0 ? 1 : -1);
        parts.push(make("rect", {
          x: 8, y: height - 20, width: Math.max((share * (width - 16)) / 2, 2), height: 12, fill: `var(--heat-${step})`,
        }));
        parts.push(words(width - 8, height - 8, member.shown, "number"));
      }
    }
    face.replaceChildren(...parts);
    if (member.kind === "group") face.setAttribute("aria-expanded", String(open));
  };
  const newCard = (member, path) => {
    const key = member.kind === "group" || member.kind === "node" ? member.key : `${path} ${member.key}`;
    const group = make("g", { class: `member ${member.kind}`, "data-key": member.key });
    const role = member.kind === "group" ? "button" : "img";
    const face = make("g", { class: "face", id: `card-${key}`, "aria-label": member.said, tabindex: "-1", role, "data-key": key });
    group.append(face);
    return { key, path, member, group, face, painted: "", inside: null };
  };
  const newFlow = (way) => {
    const element = make("g", { class: "flow" });
    const paths = Array.from({ length: way[3] < 0 ? 1 : 2 }, () => make("path", { "stroke-width": way[5].toFixed(1) }));
    const head = make("polygon");
    const label = way[6] ? make("text", { class: "shape" }, way[6]) : null;
    element.append(...paths, head, ...(label ? [label] : []));
    return { element, paths, head, label };
  };
  const views = new Map(); // path → what is drawn of that level
  const viewOf = (path) => {
    if (!views.has(path)) {
      const level = levels[path];
      const [cards, flows] = [level.members.map((member) => newCard(member, path)), level.ways.map(newFlow)];
      const element = make("g", { class: "level" });
      element.append(...flows.map((flow) => flow.element), ...cards.map((one) => one.group));
      views.set(path, { level, element, cards, flows, settled: false });
    }
    return views.get(path);
  };
  const unsettle = (path) => { // the levels around a group
    for (let above = path && titles[path][1]; above !== undefined; above = above ? titles[above][1] : undefined) {
      if (views.has(above)) views.get(above).settled = false;
    }
  };
  const unsettleAll = () => { for (const view of views.values()) view.settled = false; };
  const moved = (flow, way, ends, bounds) => {
    const { paths, tip, head } = route(way, ends, bounds);
    paths.forEach((path, k) => change(flow.paths[k], { d: path }));
    const half = (11 + 1.5 * way.width) / 2;
    change(flow.head, { points: `${tip[0]},${tip[1]} ${tip[0] - head},${tip[1] - half} ${tip[0] - head},${tip[1] + half}` });
    if (flow.label) change(flow.label, { x: (way.label.left + way.label.width / 2).toFixed(1), y: (way.label.middle + 5).toFixed(1) });
  };
  const placed = (one, item) => {
    const open = Boolean(one.inside);
    const look = `${item.width.toFixed(1)} ${open ? item.height.toFixed(1) : ""} ${open}`;
    if (look !== one.painted) paint(one.face, one.member, item, open);
    one.painted = look;
    Object.assign(one, { left: item.left, top: item.middle - item.height / 2, width: item.width });
    one.height = open ? sizes.header : item.height;
    change(one.group, { transform: `translate(${one.left.toFixed(1)} ${one.top.toFixed(1)})` });
    if (!open) return;
    one.shift = (item.width - one.inside.width) / 2;
    change(one.inside.element, { transform: `translate(${one.shift.toFixed(1)} ${sizes.header})` });
    if (one.inside.element.parentNode !== one.group) one.group.append(one.inside.element);
  };
  const draw = (path) => {
    const view = viewOf(path);
    if (view.settled) return view;
    const inner = new Map();
    view.cards.forEach((one, k) => {
      const open = one.member.kind === "group" && opened.has(one.key);
      if (!open && one.inside) one.inside.element.remove();
      one.inside = open ? draw(one.key) : null;
      if (open) inner.set(k, one.inside);
    });
    const { items, ways, bounds, width, height } = arrange(view.level, inner);
    const ends = endHeights(ways);
    view.flows.forEach((flow, slot) => moved(flow, ways[slot], ends[slot], bounds));
    view.cards.forEach((one, k) => placed(one, items[k]));
    return Object.assign(view, { width, height, settled: true });
  };
  const corner = (one) => { // where a card is in the whole picture
    let [left, top] = [one.left, one.top];
    for (let path = one.path; path; path = titles[path][1]) {
      const around = cards.get(path);
      left += around.left + around.shift;
      top += around.top + sizes.header;
    }
    return [left, top];
  };
  const shownCards = (view, found = new Map()) => {
    for (const one of view.cards) {
      found.set(one.key, one);
      if (one.inside) shownCards(one.inside, found);
    }
    return found;
  };
  const joined = (one, end) => { // the cards at the other ends of a card's edges
    const { level, cards: beside } = views.get(one.path);
    const self = level.members.indexOf(one.member);
    return level.ways.filter((way) => way[end] === self && way[1 - end] !== self).map((way) => [beside[way[1 - end]], way]);
  };

  // The page ------------------------------------------------------------------------------------------------------------
  // A new size would lay out every text of an SVG again, so it stays a point, and the paper under it has the size.
  const resize = () => {
    const [width, height] = [views.get("").width, views.get("").height].map((size) => Math.ceil(Math.max(size, 1)));
    const [svg, paper] = [place.querySelector("svg"), place.querySelector(".paper")];
    paper.style.width = `${Math.ceil(width * zoom)}px`;
    paper.style.height = `${Math.ceil(height * zoom)}px`;
    change(views.get("").element, { transform: `scale(${printing.matches ? 1 : zoom})` });
    change(svg, printing.matches ? { width, height, viewBox: `0 0 ${width} ${height}` } : { width: 1, height: 1, viewBox: "0 0 1 1" });
  };
  const printing = matchMedia("print");
  printing.addEventListener("change", resize);
  const fitting = () => {
    const { width, height } = views.get("");
    const { paddingLeft, paddingRight, paddingTop, paddingBottom } = getComputedStyle(place);
    const room = (whole, ...sides) => whole - 4 - sides.reduce((sum, side) => sum + parseFloat(side), 0);
    return Math.min(
      1, room(place.clientWidth, paddingLeft, paddingRight) / width, room(place.clientHeight, paddingTop, paddingBottom) / height,
    );
  };
  const redraw = () => {
    const { element } = draw("");
    const svg = place.querySelector("svg");
    if (element.parentNode !== svg) svg.replaceChildren(element);
    cards = shownCards(views.get(""));
    if (!cards.has(chosen)) chosen = cards.size ? nearest(0, 0).key : "";
    mark();
    resize();
  };
  const nearest = (x, y) => {
    const away = (one) => { const [left, top] = corner(one); return Math.hypot(left - x, top - y); };
    return [...cards.values()].reduce((best, one) => (away(one) < away(best) ? one : best));
  };
  const mark = () => {
    for (const face of [marked, cards.get(chosen)?.face]) {
      const here = face?.dataset.key === chosen;
      face?.setAttribute("tabindex", here ? "0" : "-1");
      face?.classList.toggle("chosen", here);
    }
    marked = cards.get(chosen)?.face;
    for (const edge of lit) edge.classList.remove("lit");
    const one = cards.get(chosen);
    if (!one) return;
    const view = views.get(one.path);
    const self = view.cards.indexOf(one);
    lit = view.flows.filter((flow, slot) => view.level.ways[slot].slice(0, 2).includes(self)).map((flow) => flow.element);
    for (const edge of lit) edge.classList.add("lit");
    tell(one);
  };
  const tell = (one) => {
    const flows = (end) => joined(one, end)
      .map(([other, way]) => say(end ? "flows from" : "flows to", { flow: way[7], name: other.member.name ?? other.member.title }));
    const several = (list) => list.length > 4 ? [...list.slice(0, 3), say("more flows", { count: list.length - 3 })] : list;
    const [reads, gives] = [several(flows(1)), several(flows(0))];
    const path = [];
    for (let above = one.path; above; above = titles[above][1]) path.unshift(titles[above][0]);
    find("where").textContent = [...path, one.member.title].join(" / ");
    find("said").textContent = [
      one.member.detail, reads.length ? say("reads", { flows: reads.join(", ") }) : "", gives.length ? say("gives", { flows: gives.join(", ") }) : "",
      one.member.source ? say("written at", { line: one.member.source }) : "",
    ].filter(Boolean).join("; ");
  };
  const choose = (key, focus = true) => {
    if (!cards.has(key)) return;
    chosen = key;
    mark();
    if (!focus) return;
    const { face } = cards.get(key);
    face.focus({ preventScroll: true });
    const part = face.querySelector(face.getAttribute("aria-expanded") === "true" ? ".title" : ".box");
    part.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  // The card that opens or closes stays under the pointer.
  const toggle = (key, wanted = !opened.has(key)) => {
    const before = cards.get(key)?.face.querySelector(".title").getBoundingClientRect();
    if (wanted) opened.add(key); else opened.delete(key);
    unsettle(key);
    chosen = key;
    redraw();
    const after = cards.get(key)?.face.querySelector(".title").getBoundingClientRect();
    if (before && after) {
      place.scrollLeft += after.left - before.left;
      place.scrollTop += after.top - before.top;
    }
    choose(key);
    remember();
  };
  const inside = (path) => path in titles && (titles[path][1] === "" || (opened.has(titles[path][1]) && inside(titles[path][1])));
  const remember = () => {
    const shown = [...opened].filter(inside).map(encodeURIComponent).join(",");
    try { history.replaceState(null, "", shown ? `#open=${shown}` : location.pathname); } catch { /* no address inside a notebook */ }
  };
  const recall = () => {
    const match = /^#open=(.*)$/.exec(location.hash);
    opened.clear();
    unsettleAll();
    for (const path of match ? match[1].split(",").map(decodeURIComponent) : given) {
      for (let above = path; above && above in titles; above = titles[above][1]) opened.add(above);
    }
  };
  const deeper = () => {
    for (const one of cards.values()) if (one.member.kind === "group") opened.add(one.key);
    unsettleAll();
    redraw();
    remember();
  };
  const steer = (key) => {
    const one = cards.get(chosen);
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const along = dx ? joined(one, dx > 0 ? 0 : 1) : [];
    if (along.length) return along[0][0].key;
    const centre = (card) => {
      const [left, top] = corner(card);
      return [left + card.width / 2, top + Math.min(card.height, sizes.header) / 2];
    };
    const [x, y] = centre(one);
    let [best, least] = ["", Infinity];
    for (const other of cards.values()) {
      const [across, down] = [centre(other)[0] - x, centre(other)[1] - y];
      const ahead = across * dx + down * dy;
      const distance = ahead + 3 * Math.abs(across * dy + down * dx);
      if (other !== one && ahead > 1 && distance < least) [best, least] = [other.key, distance];
    }
    return best;
  };

  place.addEventListener("click", (event) => {
    const face = event.target.closest(".face");
    if (!face) return;
    if (cards.get(face.dataset.key).member.kind === "group") toggle(face.dataset.key); else choose(face.dataset.key);
  });
  place.addEventListener("focusin", (event) => {
    const face = event.target.closest(".face");
    if (face && face.dataset.key !== chosen) choose(face.dataset.key, false);
  });
  place.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !cards.has(chosen)) return;
    const one = cards.get(chosen);
    if (event.key.startsWith("Arrow")) choose(steer(event.key) || chosen);
    else if ((event.key === "Enter" || event.key === " ") && one.member.kind === "group") toggle(chosen);
    else if (event.key === "Escape" && one.path) toggle(one.path, false);
    else return;
    event.preventDefault();
  });
  const scale = (factor) => {
    const middle = [place.scrollLeft + place.clientWidth / 2, place.scrollTop + place.clientHeight / 2].map((at) => at / zoom);
    zoom = Math.max(Math.min(0.1, fitting()), Math.min(3, factor));
    resize();
    place.scrollLeft = middle[0] * zoom - place.clientWidth / 2;
    place.scrollTop = middle[1] * zoom - place.clientHeight / 2;
  };
  find("larger").addEventListener("click", () => scale(zoom * 1.25));
  find("smaller").addEventListener("click", () => scale(zoom / 1.25));
  find("fit").addEventListener("click", () => scale(fitting()));
  find("deeper").addEventListener("click", deeper);
  find("close").addEventListener("click", () => { opened.clear(); unsettleAll(); redraw(); remember(); place.scrollTo(0, 0); });
  find("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
  addEventListener("hashchange", () => { recall(); redraw(); });
  recall();
  redraw();
  if (given.length === 0 || fitting() > 0.45) scale(Math.max(fitting(), 0.6));
})();
