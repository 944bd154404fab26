"use strict";
(() => {
  const story = JSON.parse(document.getElementById("story").textContent);
  const find = (id) => document.getElementById(id);
  const total = story.frames.length;
  const say = (key, parts = {}) => story.words[key].replace(/\{(\w+)\}/g, (_, name) => parts[name]);
  const formulas = graphcompFormulas(story.mathematics, graphcompNumbers(story.digits));
  const drawing = graphcompDrawing(story.graph, formulas);
  const drawings = drawing.draw(find("graph"));
  document.body.classList.remove("plain");

  // Everything that is limited to some frames, with those frames as pairs [start, stop).
  const limited = (root) => [...root.querySelectorAll("[data-frames]")].map((element) => ({
    element, isFact: element.tagName === "use" || Boolean(element.closest("#table")), spans: element.dataset.frames.split(" ").map((span) => span.split("-").map(Number)),
  }));
  // While a question waits, the facts stay as they were a step before; what is lit is shown already.
  const show = (items, step, animate, known = step) => {
    for (const { element, spans, isFact } of items) {
      const at = isFact ? known : step;
      const on = spans.some(([start, stop]) => start <= at && at < stop);
      element.classList.toggle("new", animate && on && element.classList.contains("off"));
      element.classList.toggle("off", !on);
      if (on && element.tagName !== "use") formulas.fillAll(element);
    }
  };

  for (const place of document.querySelectorAll("[data-formula]")) if (!place.closest("[data-frames]")) formulas.fillAll(place.parentNode);
  const rows = [...document.querySelectorAll("tr[data-owner]")];
  const told = [...document.querySelectorAll("#told .frame")];
  const items = [];
  const turning = Array.from({ length: total + 1 }, () => []);
  const owned = new Map();
  // Take in what a part of the page shows of the story: what is limited to frames, and what answers a pointer.
  const adopt = (root) => {
    const found = limited(root);
    for (const item of found) {
      items.push(item);
      item.row = item.element.closest("tr[data-owner]");
      for (const frame of new Set(item.spans.flat())) turning[frame].push(item);
    }
    for (const element of root.querySelectorAll("[data-owner]")) {
      const owner = element.dataset.owner;
      if (!owned.has(owner)) owned.set(owner, []);
      owned.get(owner).push(element);
      element.addEventListener("click", () => clicked(owner, graph.contains(element)));
      for (const [event, on] of [["mouseenter", true], ["mouseleave", false]]) {
        element.addEventListener(event, () => owned.get(owner).forEach((other) => other.classList.toggle("hovered", on)));
      }
    }
    return found;
  };
  // Of two steps near each other only what begins or ends between them differs.
  const between = (from, to) => {
    if (Math.abs(to - from) > 9) return items;
    const found = new Set();
    for (let frame = Math.min(from, to) + 1; frame <= Math.max(from, to); frame += 1) for (const item of turning[frame]) found.add(item);
    return found;
  };
  let step = total - 1;
  let shown = null;
  let timer = 0;

  // A card's text alternative is what its table row shows now.
  const spoken = (row) => [...row.querySelectorAll(".math")]
    .filter((formula) => !formula.closest(".off")).map((formula) => formula.dataset.plain).join(", ");
  const describe = (changed = rows) => {
    for (const row of changed) {
      const text = spoken(row);
      for (const card of owned.get(row.dataset.owner)) if (card !== row) card.setAttribute("aria-label", text);
    }
  };
  const mark = () => {
    const frame = story.frames[step];
    document.body.dataset.mode = frame.phase;
    for (const row of rows) {
      const on = row.dataset.owner === frame.focus;
      row.classList.toggle("focus", on);
      if (on) row.setAttribute("aria-current", "step"); else row.removeAttribute("aria-current");
    }
  };
  // A graph or a table larger than its place scrolls to what is in focus; the page itself stays where it is.
  const centre = (place, element, across = true) => {
    if (!element || (place.scrollWidth <= place.clientWidth && place.scrollHeight <= place.clientHeight)) return;
    const [outer, inner] = [place.getBoundingClientRect(), element.getBoundingClientRect()];
    if (across) place.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
    place.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
  };
  const cardOf = (owner) => drawingShown().querySelector(`:scope > [data-owner="${owner}"]`);
  const follow = () => {
    const focus = story.frames[step].focus;
    centre(find("graph"), cardOf(focus));
    centre(find("table"), rows.find((row) => row.dataset.owner === focus), false);
  };
  const go = (wanted, remember = true) => {
    step = Math.max(0, Math.min(total - 1, wanted));
    const open = waits();
    const known = open ? Math.max(0, step - 1) : step;
    const opening = !shown;
    const changed = new Set(opening ? items : [...shown.fresh, ...between(shown.step, step), ...between(shown.known, known)]);
    show(changed, step, !opening, known);
    shown = { step, known, fresh: [...changed].filter(({ element }) => element.classList.contains("new")) };
    told[step].classList.toggle("pending", open);
    mark();
    describe(opening ? rows : new Set([...changed].map(({ row }) => row).filter(Boolean)));
    follow();
    find("scrub").value = step + 1;
    find("scrub").setAttribute("aria-valuetext", say("step of", { step: step + 1, total }));
    find("step").textContent = `${step + 1} / ${total}`;
    for (const id of ["first", "back"]) find(id).disabled = step === 0;
    for (const id of ["forward", "last"]) find(id).disabled = step === total - 1;
    if (!remember) return;
    try { history.replaceState(null, "", `#step=${step + 1}`); } catch { /* a page inside a notebook has no address */ }
  };

  // Questions: an answer is a number or a formula; a wrong one that was foreseen names the mistake.
  const answered = new Set();
  let firstTime = 0;
  const waits = () => Boolean(story.frames[step].question) && !answered.has(step);
  const near = (one, other) => Math.abs(one - other) <= 5e-3 * Math.max(1, Math.abs(other));
  const judge = (question, text) => {
    let value;
    try { value = graphcompExpression.evaluate(text, story.variables); } catch { return [false, say("unreadable")]; }
    if (near(value, question.answer)) return [true, say("right")];
    const mistake = question.mistakes.find(([wrong]) => near(value, wrong));
    return [false, mistake ? mistake[1] : say("not yet")];
  };
  const form = (index) => document.querySelector(`#told .frame[data-frames="${index}-${index + 1}"] .question`);
  const settle = (index, text) => {
    answered.add(index);
    const place = form(index);
    place.querySelector(".feedback").textContent = text;
    place.classList.add("settled");
    if (index === step) go(step);
  };
  story.frames.forEach((frame, index) => {
    if (!frame.question) return;
    const place = form(index);
    const input = place.querySelector("input");
    let tries = 0;
    place.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!input.value.trim() || answered.has(index)) return;
      const [right, text] = judge(frame.question, input.value);
      place.querySelector(".feedback").textContent = text;
      tries += 1;
      if (!right) return;
      if (tries === 1) firstTime += 1;
      settle(index, say("first try", { text, count: firstTime }));
    });
    place.querySelector(".reveal").onclick = () => settle(index, say("shown"));
    const hint = place.querySelector(".hint");
    if (hint) hint.onclick = () => { place.querySelector(".clue").hidden = false; };
  });

  const face = (name, text) => {
    const button = find("play");
    const icon = find("icons").content.querySelector(`[data-icon=${name}]`).cloneNode(true);
    button.replaceChildren(icon, Object.assign(document.createElement("span"), { textContent: text }));
    button.setAttribute("aria-label", text);
    button.setAttribute("aria-pressed", String(name === "pause"));
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    face("play", say("play"));
  };
  const play = () => {
    if (timer) return stop();
    if (step === total - 1) go(0);
    face("pause", say("pause"));
    timer = setInterval(() => {
      go(step + 1);
      if (step === total - 1 || waits()) stop();
    }, 1800 / Number(find("speed").value));
  };
  const jump = (wanted) => { stop(); go(wanted); };
  const frameOf = (owner) => {
    const found = story.frames.findIndex((frame, index) => index > step && frame.focus === owner);
    return found >= 0 ? found : story.frames.findIndex((frame) => frame.focus === owner);
  };

  // A chosen node: its words are read out, its row and card are marked, and its history can be opened.
  let chosen = "";
  const choose = (owner, open) => {
    for (const element of owned.get(chosen) || []) element.classList.remove("chosen");
    chosen = owner;
    for (const element of owned.get(chosen) || []) element.classList.add("chosen");
    find("selected").textContent = owner ? announcement(owner) : "";
    if (!owner || open || !find("details").hidden) details(owner);
    if (owner) centre(find("graph"), cardOf(owner));
  };
  const announcement = (owner) => {
    const row = rows.find((one) => one.dataset.owner === owner);
    return [spoken(row), ...(story.nodes[owner].names || [])].join(", ");
  };
  const details = (owner) => {
    const place = find("details");
    place.hidden = !owner;
    if (!owner) return;
    const node = story.nodes[owner];
    const names = node.names ? ` (${node.names.join(", ")})` : "";
    place.querySelector("h2").textContent = formulas.plain(node.title) + names;
    const shape = node.shape ? say("shape", { shape: node.shape }) : "";
    place.querySelector(".source").textContent = [shape, node.source].filter(Boolean).join(" · ");
    const history = node.history || [];
    place.querySelector("ol").replaceChildren(...history.filter(([kind]) => kind !== "contribution").map(([kind, number, at]) => {
      const parts = { kind: say(kind), text: formulas.plain(number), step: at + 1 };
      return at < 0 ? fact(say("from the start", parts)) : fact(say("at a step", parts), at);
    }));
    place.querySelector(".arrays").replaceChildren(
      ...history.filter(([, , start, end, array]) => array && start <= step && step < end).map(([kind, , , , array]) => values(kind, array)),
    );
  };
  // An array's first and last rows and columns, under the ends of its colours' scale.
  const values = (kind, { largest, rows: lines, columns, entries }) => {
    const make = (tag, parts = {}, ...content) => {
      const made = Object.assign(document.createElement(tag), parts);
      made.append(...content);
      return made;
    };
    const gaps = (positions) => positions.map((at, index) => index > 0 && at > positions[index - 1] + 1);
    const [rowGaps, columnGaps] = [gaps(lines), gaps(columns)];
    const dots = () => make("td", {}, "…");
    const spread = (cells, before) => cells.flatMap((cell, index) => (before[index] ? [dots(), cell] : [cell]));
    const heading = (scope, key, number) => make("th", { scope, title: say(key, { [key]: number + 1 }) }, String(number + 1));
    const head = make("tr", {}, make("td"), ...spread(columns.map((number) => heading("col", "column", number)), columnGaps));
    const body = lines.flatMap((number, index) => {
      const line = make("tr", {}, heading("row", "row", number), ...spread(entries[index].map((entry) => make("td", {}, entry)), columnGaps));
      return rowGaps[index] ? [make("tr", {}, ...Array.from(head.children, dots)), line] : [line];
    });
    const name = kind === "contribution" ? say("contribution fact") : say(kind);
    const caption = make("caption", {}, say("array", { kind: name, least: largest === "0" ? "0" : `−${largest}`, most: largest }));
    const scale = make("span", { className: "scale" }, ...Array.from({ length: 9 }, (_, at) => {
      const patch = make("span");
      patch.style.background = `var(--heat-${at})`;
      return patch;
    }));
    caption.append(scale);
    const table = make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...body));
    return make("div", { className: "values", tabIndex: 0, role: "region", ariaLabel: name }, table);
  };
  const fact = (text, at) => {
    const line = document.createElement("li");
    if (at === undefined) line.textContent = text;
    else {
      const link = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      link.onclick = () => jump(at);
      line.append(link);
    }
    return line;
  };
  find("close").onclick = () => { choose("", false); find("graph").focus(); };

  // Arrow keys in the graph follow its edges: to a user, to an operand, or to another end of the same fork.
  const ends = (owner, from, to) => [...new Set(story.edges.filter((edge) => edge[from] === owner).map((edge) => edge[to]))];
  const beside = (owner, by) => {
    const forks = [...ends(owner, 1, 0).flatMap((one) => ends(one, 0, 1)), ...ends(owner, 0, 1).flatMap((one) => ends(one, 1, 0))];
    const all = Object.keys(story.nodes).filter((one) => one === owner || forks.includes(one));
    return all[(all.indexOf(owner) + by + all.length) % all.length];
  };
  const upright = () => drawingShown().classList.contains("tall");
  const follows = (key) => {
    if (!chosen) return story.frames[step].focus;
    const along = upright() ? { ArrowUp: 1, ArrowDown: -1, ArrowLeft: 2, ArrowRight: 3 } : { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 2, ArrowDown: 3 };
    if (along[key] === 1) return ends(chosen, 0, 1)[0] || chosen;
    if (along[key] === -1) return ends(chosen, 1, 0)[0] || chosen;
    return beside(chosen, along[key] === 2 ? -1 : 1);
  };
  find("graph").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = /^Arrow/.test(event.key);
    if (arrows) choose(follows(event.key), false);
    else if (event.key === "Enter") choose(chosen || story.frames[step].focus, true);
    else if (event.key === "Escape") choose("", false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // Pan and zoom: the drawing grows inside its place, which scrolls; dragging scrolls it too.
  let zoom = 0;
  const graph = find("graph");
  // By its style: asking for its place would lay the whole page out.
  const drawingShown = () => drawings.find((one) => getComputedStyle(one).display !== "none");
  const resize = (wanted, about) => {
    const one = drawingShown();
    if (!one) return;
    const box = one.getBoundingClientRect();
    const place = graph.getBoundingClientRect();
    const [x, y] = about || [place.left + place.width / 2, place.top + place.height / 2];
    const [across, down] = [(x - box.left) / box.width, (y - box.top) / box.height];
    zoom = wanted && Math.max(.2, Math.min(4, wanted));
    for (const drawn of graph.children) {
      drawn.style.width = zoom ? `${drawn.viewBox.baseVal.width * zoom}px` : "";
      drawn.style.maxWidth = drawn.style.maxHeight = zoom ? "none" : "";
    }
    const grown = one.getBoundingClientRect();
    graph.scrollLeft += grown.left + across * grown.width - x;
    graph.scrollTop += grown.top + down * grown.height - y;
  };
  const scaleNow = () => {
    const one = drawingShown();
    return one ? one.getBoundingClientRect().width / one.viewBox.baseVal.width : 1;
  };
  const magnify = (factor, about) => resize(scaleNow() * factor, about);
  find("larger").onclick = () => magnify(1.25);
  find("smaller").onclick = () => magnify(.8);
  find("fit").onclick = () => resize(0);
  graph.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    magnify(Math.exp(-event.deltaY / 300), [event.clientX, event.clientY]);
  }, { passive: false });
  let drag = null;
  let dragged = false;
  graph.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.pointerType === "mouse" && event.button === 0) drag = [event.clientX, event.clientY, graph.scrollLeft, graph.scrollTop];
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag[0], event.clientY - drag[1]];
    dragged = dragged || Math.hypot(dx, dy) > 5;
    if (!dragged) return;
    graph.classList.add("dragging");
    graph.scrollLeft = drag[2] - dx;
    graph.scrollTop = drag[3] - dy;
  });
  addEventListener("pointerup", () => { drag = null; graph.classList.remove("dragging"); });

  // A click on a row goes to its next frame; a click on a card opens its history; on an edge, to where it is read.
  const clicked = (owner, inGraph) => {
    if (inGraph && dragged) return;
    const isNode = owner in story.nodes;
    if (isNode) choose(owner, inGraph);
    if (isNode && inGraph) return;
    const found = isNode ? frameOf(owner) : story.frames.findIndex((frame) => frame.reads.includes(owner));
    if (found >= 0) jump(found);
  };

  find("first").onclick = () => jump(0);
  find("back").onclick = () => jump(step - 1);
  find("forward").onclick = () => jump(step + 1);
  find("last").onclick = () => jump(total - 1);
  find("play").onclick = play;
  find("scrub").oninput = (event) => jump(Number(event.target.value) - 1);
  find("speed").onchange = () => { if (timer) { stop(); play(); } };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName) && event.key !== "Escape") return;
    const actions = {
      ArrowRight: () => jump(step + 1), ArrowLeft: () => jump(step - 1), ArrowDown: () => jump(step + 1),
      ArrowUp: () => jump(step - 1), Home: () => jump(0), End: () => jump(total - 1), " ": play,
      "+": () => magnify(1.25), "-": () => magnify(.8), "0": () => resize(0), Escape: () => choose("", false),
    };
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });

  // Other inputs: the generated programs compute each sweep, and every number on the page is written again.
  const live = find("live");
  const read = (text) => {
    const plain = text.trim().replace(/−/g, "-");
    const named = { nan: NaN, inf: Infinity, "∞": Infinity, infinity: Infinity }[plain.toLowerCase().replace(/^[+-]/, "")];
    return named === undefined ? graphcompExpression.evaluate(plain, {}) : plain.startsWith("-") ? -named : named;
  };
  const given = (field) => {
    try { return read(field.value); } catch { return undefined; }
  };
  const recompute = () => {
    const fields = [...live.querySelectorAll(".fields input")];
    const values = fields.map(given);
    fields.forEach((field, index) => field.setAttribute("aria-invalid", String(values[index] === undefined)));
    const wrong = fields.find((field, index) => values[index] === undefined);
    if (wrong) {
      live.querySelector(".said").textContent = say("not a number", { text: wrong.value || "–" });
      return;
    }
    const inputs = story.live.order.map((position) => values[position]);
    formulas.compute(story.live.sweeps.map(([program, start]) => graphcompLive[program](inputs, start)));
    drawing.centre();
    const changed = fields.some((field) => field.value !== field.defaultValue);
    document.body.classList.toggle("recomputed", changed);
    const listed = values.map((value, index) => `${story.live.names[index]} = ${formulas.number(value)}`).join(", ");
    live.querySelector(".said").textContent = changed ? say("computed again", { inputs: listed }) : "";
    if (story.live.heading) document.querySelector("h1").textContent = document.title = story.live.heading + listed;
    describe();
    if (chosen && !find("details").hidden) details(chosen);
  };
  if (live) {
    live.addEventListener("input", recompute);
    live.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    live.querySelector("form").addEventListener("reset", () => setTimeout(recompute));
  }

  find("theme").onclick = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };

  // In print each frame is a page of its own.
  const pages = () => {
    fill(drawings.find((one) => one.classList.contains("wide")));
    find("pages").textContent = "";
    for (let index = 0; index < total; index += 1) {
      const page = document.createElement("section");
      page.className = "page";
      const heading = document.createElement("h2");
      heading.textContent = `${document.title} (${index + 1} / ${total})`;
      page.append(heading, document.querySelector("#graph svg.wide").cloneNode(true), find("told").cloneNode(true));
      for (const question of page.querySelectorAll(".question")) question.remove();
      for (const frame of page.querySelectorAll(".pending")) frame.classList.remove("pending");
      for (const named of [page.lastChild, ...page.querySelectorAll("[id]")]) named.removeAttribute("id");
      show(limited(page), index, false);
      find("pages").append(page);
    }
  };
  addEventListener("beforeprint", pages);
  addEventListener("afterprint", () => { find("pages").textContent = ""; });

  // A drawing is made when it is first seen, and shows the present step.
  const fill = (root) => {
    if (!root || root.childElementCount) return;
    drawing.fill(root);
    for (const card of root.querySelectorAll(':scope > [data-owner^="node:"]')) card.setAttribute("role", "img");
    const found = adopt(root);
    if (!shown) return;
    show(found, step, false, shown.known);
    describe();
  };
  adopt(find("table"));
  adopt(find("told"));
  fill(drawingShown());
  addEventListener("resize", () => {
    const before = drawingShown();
    if (!before || before.childElementCount) return;
    fill(before);
    if (chosen) choose(chosen, false);
    follow();
  });

  const linked = () => Number((/step=(\d+)/.exec(location.hash) || [])[1] || 0);
  addEventListener("hashchange", () => { if (linked()) jump(linked() - 1); });
  if (total) go(linked() ? linked() - 1 : 0, false);
})();
