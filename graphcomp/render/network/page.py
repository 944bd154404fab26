"""A network as one self-contained page: a level at a time, and a click opens a group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

from ..mathematics import clean
from ..palette import THEMES
from ..scene import Scene
from ..svg import drawn
from .groups import Group

VARIABLES = {name: f"var(--{name.replace('_', '-')})" for name in THEMES["light"]}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
STYLE = """
body{margin:0;font:16px system-ui,sans-serif;background:var(--page);color:var(--ink)}
header{padding:12px 20px}h1{font-size:18px;margin:0 0 6px}
nav button{font:inherit;color:var(--value);background:none;border:0;padding:4px}
nav button{cursor:pointer;text-decoration:underline}
nav button[aria-current]{color:var(--ink);text-decoration:none;font-weight:600}
main{overflow:auto;padding:0 20px 20px}svg{max-width:none}
[data-opens]{cursor:pointer}[data-opens]:focus{outline:3px solid var(--value)}
@media (prefers-reduced-motion:no-preference){main svg{animation:appear .12s}@keyframes appear{from{opacity:0}}}
"""
SCRIPT = """
const titles = JSON.parse(document.getElementById("titles").textContent);
const main = document.querySelector("main"), way = document.querySelector("nav");
function open(path) {
  const level = document.querySelector(`template[data-path="${CSS.escape(path)}"]`);
  main.replaceChildren(level.content.cloneNode(true));
  for (const group of main.querySelectorAll("[data-owner^='member:']")) {
    const inner = group.dataset.owner.slice(7);
    if (!(inner in titles)) continue;
    group.dataset.opens = inner; group.tabIndex = 0; group.setAttribute("role", "button");
    group.addEventListener("click", () => go(inner));
    group.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      go(inner);
    });
  }
  way.replaceChildren();
  const above = [path];
  while (above[0] !== "") above.unshift(titles[above[0]][1]);
  for (const step of above) {
    const button = document.createElement("button");
    button.textContent = titles[step][0];
    if (step === path) button.setAttribute("aria-current", "page");
    button.addEventListener("click", () => go(step));
    way.append(button);
  }
}
function go(path) { location.hash = encodeURIComponent(path); }
addEventListener("hashchange", () => show());
function show() { const path = decodeURIComponent(location.hash.slice(1)); open(path in titles ? path : ""); }
show();
"""


def write_page(name: str, root: Group, scenes: Mapping[str, Scene]) -> str:
    """The page: the outermost level to look at, and every level's picture, by its group's path, as a template."""
    title = escape(clean(name))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>{theme_rules()}{STYLE}</style>
</head>
<body>
<header><h1>{title}</h1><nav aria-label="Where this group stands"></nav></header>
<main></main>
{"".join(template(path, scene) for path, scene in scenes.items())}
<script type="application/json" id="titles">{titles(root)}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


def theme_rules() -> str:
    """The palette, by the system's preference."""

    def rules(theme: str) -> str:
        return "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in THEMES[theme].items())

    dark = f"@media (prefers-color-scheme:dark){{:root{{color-scheme:dark;{rules('dark')}}}}}"
    return f":root{{color-scheme:light;{rules('light')}}}{dark}"


def template(path: str, scene: Scene) -> str:
    """One level's picture, not shown until it is opened."""
    body = drawn(scene.primitives, VARIABLES, scene.descriptions)
    size = f'width="{scene.width:.0f}" height="{scene.height:.0f}" viewBox="0 0 {scene.width:.0f} {scene.height:.0f}"'
    return (
        f'<template data-path="{escape(path)}"><svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg></template>\n'
    )


def titles(root: Group) -> str:
    """Each group's name and the group around it."""
    found = {"": ["All", ""]}
    for group in root.walk():
        for child in group.children:
            found[child.path] = [clean(child.name), group.path]
    return json.dumps(found).replace("<", "\\u003c")
