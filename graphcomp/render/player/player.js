"use strict";
(() => {
  const story = JSON.parse(document.getElementById("story").textContent);
  const find = (id) => document.getElementById(id);
  const total = story.frames.length;
  document.body.dataset.mode = story.mode;

  // Everything that is limited to some frames, with those frames as pairs [start, stop).
  const limited = (root) => [...root.querySelectorAll("[data-frames]")].map((element) => ({
    element, spans: element.dataset.frames.split(" ").map((span) => span.split("-").map(Number)),
  }));
  const show = (items, step, animate) => {
    for (const { element, spans } of items) {
      const on = spans.some(([start, stop]) => start <= step && step < stop);
      element.classList.toggle("new", animate && on && element.classList.contains("off"));
      element.classList.toggle("off", !on);
    }
  };

  const items = limited(document);
  const owned = new Map();
  for (const element of document.querySelectorAll("[data-owner]")) {
    const owner = element.dataset.owner;
    if (!owned.has(owner)) owned.set(owner, []);
    owned.get(owner).push(element);
  }
  const rows = [...document.querySelectorAll("tr[data-owner]")];
  const cards = [...document.querySelectorAll('#graph [data-owner^="node:"]')];
  let step = total - 1;
  let timer = 0;

  // A card's text alternative is what its table row shows now.
  const spoken = (row) => [...row.querySelectorAll(".math")]
    .filter((formula) => !formula.closest(".off")).map((formula) => formula.dataset.plain).join(", ");
  const describe = () => {
    const texts = new Map(rows.map((row) => [row.dataset.owner, spoken(row)]));
    for (const card of cards) {
      card.setAttribute("role", "img");
      card.setAttribute("aria-label", texts.get(card.dataset.owner) || "");
    }
  };
  const mark = () => {
    const frame = story.frames[step];
    for (const row of rows) {
      const on = row.dataset.owner === frame.focus;
      row.classList.toggle("focus", on);
      if (on) row.setAttribute("aria-current", "step"); else row.removeAttribute("aria-current");
    }
  };
  // A graph or a table larger than its place scrolls to what is in focus; the page itself stays where it is.
  const centre = (place, element) => {
    if (!element || (place.scrollWidth <= place.clientWidth && place.scrollHeight <= place.clientHeight)) return;
    const [outer, inner] = [place.getBoundingClientRect(), element.getBoundingClientRect()];
    place.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
    place.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
  };
  const follow = () => {
    const focus = story.frames[step].focus;
    centre(find("graph"), cards.find((one) => one.dataset.owner === focus && one.getClientRects().length));
    centre(find("table"), rows.find((row) => row.dataset.owner === focus));
  };
  const go = (wanted, remember = true) => {
    step = Math.max(0, Math.min(total - 1, wanted));
    show(items, step, true);
    mark();
    describe();
    follow();
    find("scrub").value = step + 1;
    find("scrub").setAttribute("aria-valuetext", `step ${step + 1} of ${total}`);
    find("step").textContent = `${step + 1} / ${total}`;
    for (const id of ["first", "back"]) find(id).disabled = step === 0;
    for (const id of ["forward", "last"]) find(id).disabled = step === total - 1;
    if (!remember) return;
    try { history.replaceState(null, "", `#step=${step + 1}`); } catch { /* a page inside a notebook has no address */ }
  };

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
    face("play", "Play");
  };
  const play = () => {
    if (timer) return stop();
    if (step === total - 1) go(0);
    face("pause", "Pause");
    timer = setInterval(() => {
      go(step + 1);
      if (step === total - 1) stop();
    }, 1800 / Number(find("speed").value));
  };
  const jump = (wanted) => { stop(); go(wanted); };
  const frameOf = (owner) => {
    const found = story.frames.findIndex((frame, index) => index > step && frame.focus === owner);
    return found >= 0 ? found : story.frames.findIndex((frame) => frame.focus === owner);
  };

  find("first").onclick = () => jump(0);
  find("back").onclick = () => jump(step - 1);
  find("forward").onclick = () => jump(step + 1);
  find("last").onclick = () => jump(total - 1);
  find("play").onclick = play;
  find("scrub").oninput = (event) => jump(Number(event.target.value) - 1);
  find("speed").onchange = () => { if (timer) { stop(); play(); } };
  for (const [owner, elements] of owned) {
    for (const element of elements) {
      element.addEventListener("click", () => { const found = frameOf(owner); if (found >= 0) jump(found); });
      for (const [event, on] of [["mouseenter", true], ["mouseleave", false]]) {
        element.addEventListener(event, () => elements.forEach((other) => other.classList.toggle("hovered", on)));
      }
    }
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    const actions = {
      ArrowRight: () => jump(step + 1), ArrowLeft: () => jump(step - 1), ArrowDown: () => jump(step + 1),
      ArrowUp: () => jump(step - 1), Home: () => jump(0), End: () => jump(total - 1), " ": play,
    };
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });

  find("theme").onclick = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };

  // In print each frame is a page of its own.
  const pages = () => {
    find("pages").textContent = "";
    for (let index = 0; index < total; index += 1) {
      const page = document.createElement("section");
      page.className = "page";
      const heading = document.createElement("h2");
      heading.textContent = `${document.title} (${index + 1} / ${total})`;
      page.append(heading, document.querySelector("#graph svg.wide").cloneNode(true), find("panel").cloneNode(true));
      page.lastChild.removeAttribute("id");
      show(limited(page), index, false);
      find("pages").append(page);
    }
  };
  addEventListener("beforeprint", pages);
  addEventListener("afterprint", () => { find("pages").textContent = ""; });

  const linked = () => Number((/step=(\d+)/.exec(location.hash) || [])[1] || 0);
  addEventListener("hashchange", () => { if (linked()) jump(linked() - 1); });
  if (total) go(linked() ? linked() - 1 : 0, false);
})();
