"use strict";
// The player of a compile story. A node of a kernel lights the lines of source that compute it, a line its nodes.
(() => {
  const story = JSON.parse(document.getElementById("story").textContent);
  const find = (id) => document.getElementById(id);
  const graph = find("graph");
  const total = story.frames.length;
  const say = (key, parts = {}) => story.words[key].replace(/\{(\w+)\}/g, (_, name) => parts[name]);
  let step = total - 1;
  let timer = 0;

  // Steps: everything that is limited to some frames is shown or hidden.
  const limited = (root) => [...root.querySelectorAll("[data-frames]")].map((element) => [
    element, element.dataset.frames.split(" ").filter(Boolean).map((span) => span.split("-").map(Number)),
  ]);
  const show = (items, index) => {
    for (const [element, spans] of items) element.classList.toggle("off", !spans.some(([start, stop]) => start <= index && index < stop));
  };
  const items = limited(document);
  const rows = [...document.querySelectorAll("tr[data-step]")];
  // The part of a place that must be seen, without moving the page.
  const reveal = (place, element, always = false) => {
    const [outer, inner] = [place.getBoundingClientRect(), element.getBoundingClientRect()];
    if (always || inner.top < outer.top || inner.bottom > outer.bottom) place.scrollTop += inner.top - outer.top - outer.height / 3;
  };
  const go = (wanted, remember = true) => {
    step = Math.max(0, Math.min(total - 1, wanted));
    show(items, step);
    for (const row of rows) {
      const on = Number(row.dataset.step) === step;
      row.classList.toggle("focus", on);
      if (on) { row.setAttribute("aria-current", "step"); reveal(find("table"), row); } else row.removeAttribute("aria-current");
    }
    find("scrub").value = step + 1;
    find("scrub").setAttribute("aria-valuetext", say("step of", { step: step + 1, total }));
    find("step").textContent = `${step + 1} / ${total}`;
    for (const id of ["first", "back"]) find(id).disabled = step === 0;
    for (const id of ["forward", "last"]) find(id).disabled = step === total - 1;
    follow();
    if (!remember) return;
    try { history.replaceState(null, "", `#step=${step + 1}`); } catch { /* a page inside a notebook has no address */ }
  };
  const face = (name, text) => {
    const icon = find("icons").content.querySelector(`[data-icon=${name}]`).cloneNode(true);
    find("play").replaceChildren(icon, Object.assign(document.createElement("span"), { textContent: text }));
    find("play").setAttribute("aria-label", text);
  };
  const stop = () => { clearInterval(timer); timer = 0; face("play", say("play")); };
  const play = () => {
    if (timer) return stop();
    if (step === total - 1) go(0);
    face("pause", say("pause"));
    timer = setInterval(() => { go(step + 1); if (step === total - 1) stop(); }, 1800 / Number(find("speed").value));
  };
  const jump = (wanted) => { stop(); go(wanted); };

  const list = document.querySelector("#source ol");
  const lines = [...document.querySelectorAll("#source li")];
  const nodesOf = new Map(lines.map((line) => [line, new Set(line.dataset.nodes.split(" ").filter(Boolean).map(Number))]));
  const cards = [...graph.querySelectorAll("[data-owner]")].filter((one) => one.querySelector("title"));
  const nodeOf = (card) => Number((/:value:(\d+)$/.exec(card.dataset.owner) || [])[1] ?? -1);
  const visible = () => cards.filter((card) => card.getClientRects().length);
  const words = (card) => card.querySelector("title").textContent;
  for (const card of cards) {
    card.setAttribute("role", "img");
    card.setAttribute("aria-label", words(card));
  }

  const lightLines = (wanted) => {
    let first = null;
    for (const line of lines) {
      const on = wanted(line);
      line.classList.toggle("lit", on);
      line.setAttribute("aria-selected", String(on));
      first = first || (on ? line : null);
    }
    if (first) reveal(find("source"), first);
  };
  const lightCards = (wanted) => { for (const card of cards) card.classList.toggle("lit", wanted(card)); };
  const details = (title, text) => {
    find("details").hidden = !title;
    find("details").querySelector("h2").textContent = title;
    find("details").querySelector(".source").textContent = text;
    find("selected").textContent = [title, text].filter(Boolean).join(". ");
  };

  let chosen = null;
  const current = () => story.frames[step];
  const ofKernel = (line) => current().lines.includes(Number(line.id.slice(5)));
  const chooseCard = (card) => {
    chosen = card;
    lightCards((one) => one === card);
    if (!card) { lightLines(() => false); return details("", ""); }
    const node = nodeOf(card);
    // A number in a comment is a node of the kernel; a shared function is commented with the nodes of its first kernel.
    lightLines((line) => node >= 0 && nodesOf.get(line).has(node) && (ofKernel(line) || !current().lines.length));
    const numbers = lines.filter((line) => line.classList.contains("lit")).map((line) => Number(line.id.slice(5)));
    details(words(card), numbers.length ? say("source lines", { lines: numbers.join(", ") }) : "");
  };
  const chooseLine = (line) => {
    const number = Number(line.id.slice(5));
    const wanted = nodesOf.get(line);
    const at = story.frames.findIndex((frame) => frame.lines.includes(number));
    if (at >= 0 && !current().lines.includes(number)) jump(at);
    chosen = null;
    lightLines((one) => one === line);
    lightCards((card) => wanted.has(nodeOf(card)));
    list.setAttribute("aria-activedescendant", line.id);
    const found = visible().filter((card) => card.classList.contains("lit"));
    details(say("source line", { line: number }), found.map(words).join("; ") || say("no node"));
  };

  graph.addEventListener("click", (event) => {
    const card = event.target.closest("[data-owner]");
    if (card && cards.includes(card)) chooseCard(card);
  });
  list.addEventListener("click", (event) => {
    const line = event.target.closest("li");
    if (line) chooseLine(line);
  });
  find("close").addEventListener("click", () => chooseCard(null));

  const inGraph = (event) => {
    const all = visible();
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") chooseCard(null);
    else if (by && all.length) chooseCard(all[(all.indexOf(chosen) + by + (chosen || by > 0 ? 0 : 1) + all.length) % all.length]);
    else return false;
    return true;
  };
  const inSource = (event) => {
    const now = lines.findIndex((line) => line.id === list.getAttribute("aria-activedescendant"));
    const start = now >= 0 ? now : Math.max(0, lines.findIndex(ofKernel) - 1);
    const to = { ArrowDown: start + 1, ArrowUp: start - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (to === undefined) return false;
    chooseLine(lines[Math.max(0, Math.min(lines.length - 1, to))]);
    return true;
  };
  // Each step lights its kernel's lines.
  const follow = () => {
    for (const line of lines) line.classList.toggle("kernel", ofKernel(line));
    const first = lines.find(ofKernel);
    if (first) reveal(find("source"), first, true);
    if (chosen && !chosen.getClientRects().length) chooseCard(null);
  };

  // The drawing grows inside its place, which scrolls.
  const magnify = (factor) => {
    for (const drawn of graph.children) {
      const width = factor && drawn.getClientRects().length ? drawn.getBoundingClientRect().width * factor : 0;
      drawn.style.width = width ? `${width}px` : "";
      drawn.style.maxWidth = drawn.style.maxHeight = width ? "none" : "";
    }
  };
  const actions = {
    ArrowRight: () => jump(step + 1), ArrowDown: () => jump(step + 1), ArrowLeft: () => jump(step - 1),
    ArrowUp: () => jump(step - 1), Home: () => jump(0), End: () => jump(total - 1), " ": play,
    "+": () => magnify(1.25), "-": () => magnify(.8), "0": () => magnify(0), Escape: () => chooseCard(null),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    const taken = (graph.contains(event.target) && inGraph(event)) || (list.contains(event.target) && inSource(event));
    if (!taken && !(event.key in actions)) return;
    event.preventDefault();
    if (!taken) actions[event.key]();
  });
  find("first").onclick = () => jump(0);
  find("back").onclick = () => jump(step - 1);
  find("forward").onclick = () => jump(step + 1);
  find("last").onclick = () => jump(total - 1);
  find("play").onclick = play;
  find("larger").onclick = () => magnify(1.25);
  find("smaller").onclick = () => magnify(.8);
  find("fit").onclick = () => magnify(0);
  find("scrub").oninput = (event) => jump(Number(event.target.value) - 1);
  find("speed").onchange = () => { if (timer) { stop(); play(); } };
  for (const row of rows) row.onclick = () => jump(Number(row.dataset.step));
  find("theme").onclick = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };

  // In print each step is a page of its own.
  addEventListener("beforeprint", () => {
    find("pages").replaceChildren(...story.frames.map((frame, index) => {
      const page = Object.assign(document.createElement("section"), { className: "page" });
      const heading = Object.assign(document.createElement("h2"), { textContent: `${document.title} (${index + 1} / ${total})` });
      const pictures = [...graph.querySelectorAll("svg.wide")].map((one) => one.cloneNode(true));
      page.append(heading, ...pictures, find("told").cloneNode(true));
      for (const named of [page.lastChild, ...page.querySelectorAll("[id]")]) named.removeAttribute("id");
      show(limited(page), index);
      return page;
    }));
  });
  addEventListener("afterprint", () => find("pages").replaceChildren());

  const linked = () => Number((/step=(\d+)/.exec(location.hash) || [])[1] || 0);
  addEventListener("hashchange", () => { if (linked()) jump(linked() - 1); });
  go(linked() ? linked() - 1 : 0, false);
})();
