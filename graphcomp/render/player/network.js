"use strict";
(() => {
  const { levels, titles, sizes, opened: given, largest } = JSON.parse(document.getElementById("network").textContent);
  const find = (id) => document.getElementById(id);
  const place = find("graph");
  const NS = "http://www.w3.org/2000/svg";
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
  const words = (x, y, text, name) => make("text", { x: x.toFixed(1), y: y.toFixed(1), class: name }, text);
  const card = (member, item, inside, path) => {
    const [left, top] = [item.left, item.middle - item.height / 2];
    const group = make("g", { class: `member ${member.kind}`, "data-key": member.key });
    const face = make("g", { class: "face" });
    const radius = { group: 14, node: 6 }[member.kind] ?? 18;
    const box = { x: left.toFixed(1), y: top.toFixed(1), width: item.width.toFixed(1), height: item.height.toFixed(1), rx: radius };
    if (member.times > 1 && !inside) {
      for (const shift of [8, 4]) face.append(make("rect", { ...box, x: left + shift, y: top + shift, class: "behind" }));
    }
    face.append(make("rect", { ...box, class: "box" }));
    const middle = left + item.width / 2;
    if (member.kind === "from" || member.kind === "to") {
      face.append(words(middle, top + 24, member.title, "detail"));
    } else {
      const sign = member.kind === "group" ? (inside ? "− " : "+ ") : "";
      face.append(words(inside ? left + sizes.padding : middle, top + 26, sign + member.title, "title"));
      if (!inside) face.append(words(middle, top + 46, member.detail, "detail"));
      if (member.number !== null && !inside) {
        const share = largest ? Math.abs(member.number) / largest : 0;
        const step = 4 + Math.round(4 * share) * (member.number >= 0 ? 1 : -1);
        face.append(make("rect", {
          x: left + 8, y: top + item.height - 20, width: Math.max((share * (item.width - 16)) / 2, 2), height: 12, fill: `var(--heat-${step})`,
        }));
        face.append(words(left + item.width - 8, top + item.height - 8, member.shown, "number"));
      }
    }
    const key = member.kind === "group" || member.kind === "node" ? member.key : `${path} ${member.key}`;
    face.id = `card-${key}`;
    face.setAttribute("aria-label", member.said);
    face.setAttribute("tabindex", "-1");
    if (member.kind === "group") {
      face.setAttribute("role", "button");
      face.setAttribute("aria-expanded", String(Boolean(inside)));
    } else {
      face.setAttribute("role", "img");
    }
    face.dataset.key = key;
    group.append(face);
    return { group, face, key, left, top };
  };
  // A level in which nothing opened or closed is not drawn again, only moved.
  const drawn = new Map();
  const forget = (path) => {
    for (let above = titles[path][1]; above; above = titles[above][1]) drawn.delete(above);
  };
  const draw = (path) => {
    if (!drawn.has(path)) drawn.set(path, drawLevel(path));
    return drawn.get(path);
  };
  const drawLevel = (path) => {
    const level = levels[path];
    const inner = new Map();
    level.members.forEach((member, k) => { if (member.kind === "group" && opened.has(member.key)) inner.set(k, null); });
    for (const k of inner.keys()) inner.set(k, draw(level.members[k].key));
    const { items, ways, bounds, width, height } = arrange(level, inner);
    const whole = make("g", { class: "level" });
    const ends = endHeights(ways);
    ways.forEach((way, slot) => {
      const edge = make("g", { class: "flow", "data-from": level.members[way.ends[0]].key, "data-to": level.members[way.ends[1]].key });
      const { paths, tip, head } = route(way, ends[slot], bounds);
      for (const path of paths) edge.append(make("path", { d: path, "stroke-width": way.width.toFixed(1) }));
      const half = (11 + 1.5 * way.width) / 2;
      edge.append(make("polygon", { points: `${tip[0]},${tip[1]} ${tip[0] - head},${tip[1] - half} ${tip[0] - head},${tip[1] + half}` }));
      if (way.label) edge.append(words(way.label.left + way.label.width / 2, way.label.middle + 5, way.text, "shape"));
      whole.append(edge);
    });
    const placed = [];
    level.members.forEach((member, k) => {
      const inside = inner.get(k);
      const { group, face, key, left, top } = card(member, items[k], inside, path);
      if (inside) {
        const shift = [left + (items[k].width - inside.width) / 2, top + sizes.header];
        inside.element.setAttribute("transform", `translate(${shift[0].toFixed(1)} ${shift[1].toFixed(1)})`);
        group.append(inside.element);
        for (const one of inside.placed) placed.push({ ...one, left: one.left + shift[0], top: one.top + shift[1] });
      }
      placed.push({
        key, face, path, member, left, top, width: items[k].width, height: inside ? sizes.header : items[k].height,
        next: ways.filter((way) => way.source === items[k] && way.target !== items[k]).map((way) => keyOf(level, way.ends[1], path)),
        last: ways.filter((way) => way.target === items[k] && way.source !== items[k]).map((way) => keyOf(level, way.ends[0], path)),
      });
      whole.append(group);
    });
    return { element: whole, width, height, placed };
  };
  const keyOf = (level, k, path) => {
    const member = level.members[k];
    return member.kind === "group" || member.kind === "node" ? member.key : `${path} ${member.key}`;
  };

  // The page ------------------------------------------------------------------------------------------------------------
  const resize = () => {
    const svg = place.querySelector("svg");
    svg.setAttribute("width", (svg.viewBox.baseVal.width * zoom).toFixed(0));
    svg.setAttribute("height", (svg.viewBox.baseVal.height * zoom).toFixed(0));
  };
  const fitting = () => {
    const { width, height } = place.querySelector("svg").viewBox.baseVal;
    return Math.min(1, (place.clientWidth - 4) / width, (place.clientHeight - 4) / height);
  };
  const redraw = () => {
    drawn.delete("");
    const { element, width, height, placed } = draw("");
    const svg = make("svg", { viewBox: `0 0 ${Math.max(width, 1).toFixed(0)} ${Math.max(height, 1).toFixed(0)}` });
    svg.append(element);
    place.replaceChildren(svg);
    cards = new Map(placed.map((one) => [one.key, one]));
    if (!cards.has(chosen)) chosen = placed.length ? nearest(placed, 0, 0).key : "";
    mark();
    resize();
  };
  const nearest = (placed, x, y) => placed.reduce((best, one) =>
    Math.hypot(one.left - x, one.top - y) < Math.hypot(best.left - x, best.top - y) ? one : best);
  const mark = () => {
    for (const face of [marked, cards.get(chosen)?.face]) {
      const here = face?.dataset.key === chosen;
      face?.setAttribute("tabindex", here ? "0" : "-1");
      face?.classList.toggle("chosen", here);
    }
    marked = cards.get(chosen)?.face;
    for (const edge of place.querySelectorAll(".flow.lit")) edge.classList.remove("lit");
    const one = cards.get(chosen);
    if (!one) return;
    for (const edge of one.face.parentNode.parentNode.querySelectorAll(":scope > .flow")) {
      edge.classList.toggle("lit", [edge.dataset.from, edge.dataset.to].includes(one.member.key));
    }
    tell(one);
  };
  const tell = (one) => {
    const level = levels[one.path];
    const named = (k) => level.members[k].title;
    const self = level.members.indexOf(one.member);
    const flows = (end) => level.ways.filter((way) => way[end] === self && way[1 - end] !== self)
      .map((way) => `${way[7]} ${end ? "from" : "to"} ${named(way[1 - end]).replace(/^(from|to) /, "")}`);
    const several = (list) => list.length > 4 ? [...list.slice(0, 3), `${list.length - 3} more`] : list;
    const [reads, gives] = [several(flows(1)), several(flows(0))];
    const path = [];
    for (let above = one.path; above; above = titles[above][1]) path.unshift(titles[above][0]);
    find("where").textContent = [...path, one.member.title].join(" / ");
    find("said").textContent = [
      one.member.detail, reads.length ? `reads ${reads.join(", ")}` : "", gives.length ? `gives ${gives.join(", ")}` : "",
      one.member.source ? `written at ${one.member.source}` : "",
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
    forget(key);
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
    drawn.clear();
    for (const path of match ? match[1].split(",").map(decodeURIComponent) : given) {
      for (let above = path; above && above in titles; above = titles[above][1]) opened.add(above);
    }
  };
  const deeper = () => {
    for (const one of [...cards.values()]) if (one.member.kind === "group") opened.add(one.key);
    drawn.clear();
    redraw();
    remember();
  };
  const steer = (key) => {
    const one = cards.get(chosen);
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const along = dx > 0 ? one.next : dx < 0 ? one.last : [];
    if (along.length) return along.find((other) => cards.has(other));
    const centre = (card) => [card.left + card.width / 2, card.top + Math.min(card.height, sizes.header) / 2];
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
    zoom = Math.max(0.1, Math.min(3, factor));
    resize();
    place.scrollLeft = middle[0] * zoom - place.clientWidth / 2;
    place.scrollTop = middle[1] * zoom - place.clientHeight / 2;
  };
  find("larger").addEventListener("click", () => scale(zoom * 1.25));
  find("smaller").addEventListener("click", () => scale(zoom / 1.25));
  find("fit").addEventListener("click", () => scale(fitting()));
  find("deeper").addEventListener("click", deeper);
  find("close").addEventListener("click", () => { opened.clear(); drawn.clear(); redraw(); remember(); place.scrollTo(0, 0); });
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
