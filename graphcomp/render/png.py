"""Writes one frame of a scene as PNG, through the SVG writer."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from xml.etree import ElementTree

from .glyphs import covered, text_font_file
from .lettering import Piece, bars, digits, pieces, seen_width
from .palette import LIGHT
from .scene import Anchor, Scene, shift
from .svg import FONTS, write_svg

ZOOM, WIDEST, HIGHEST = 2.0, 4096.0, 16384.0
SVG = "http://www.w3.org/2000/svg"
NEVER_DRAWN, LEFT_TO_RIGHT = "\ue000", "\u202d"
ElementTree.register_namespace("", SVG)


def write_png(scene: Scene, frame: int) -> bytes:
    """One frame as a PNG with twice the scene's pixels each way, but at most 4,096 across and 16,384 down."""
    return rasterise(scene, frame, min(ZOOM, WIDEST / scene.width, HIGHEST / scene.height))


def rasterise(scene: Scene, frame: int, zoom: float) -> bytes:
    """One frame as a PNG, ``zoom`` pixels for each of the scene's."""
    return pixels(boxed(write_svg(scene, frame)), zoom)


def pixels(document: str, zoom: float) -> bytes:
    """An SVG document as a PNG, set in the font that comes with ziafont and in those of the system."""
    import resvg_py

    image = resvg_py.svg_to_bytes(
        svg_string=document,
        background=LIGHT["page"],
        zoom=zoom,
        font_files=[text_font_file()],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
    return bytes(image)


def drawable(character: str) -> bool:
    """Whether some font has a character."""
    return character.isascii() or covered(character) or trial(character) != trial(NEVER_DRAWN)


@functools.lru_cache(maxsize=1024)
def trial(character: str) -> bytes:
    """A character alone, as it would be drawn."""
    text = f'<text x="4" y="30" font-size="24" font-family="{FONTS}">{character}</text>'
    return pixels(f'<svg xmlns="{SVG}" width="48" height="48">{text}</svg>', 1.0)


def boxed(document: str) -> str:
    """The document with boxes in its texts for characters that no font has."""
    if all(map(drawable, set(document))):
        return document
    root = ElementTree.fromstring(document)
    for parent in list(root.iter()):
        for place, child in enumerate(list(parent)):
            if child.tag == f"{{{SVG}}}text" and not all(map(drawable, child.text or "")):
                parent.remove(child)
                parent.insert(place, spelled_out(child))
    return ElementTree.tostring(root, encoding="unicode")


def spelled_out(text: ElementTree.Element) -> ElementTree.Element:
    """A line of text as a group: what can be drawn as text, the rest as boxes with their numbers."""
    size = float(text.attrib["font-size"])
    anchor: Anchor = text.attrib.get("text-anchor", "start")  # type: ignore[assignment]
    found = pieces(text.text or "", drawable)
    left = float(text.attrib["x"]) - shift(anchor, size * seen_width(found))
    group = ElementTree.Element(f"{{{SVG}}}g", {"transform": f"translate({left} {text.attrib['y']}) scale({size})"})
    group.attrib.update({name: text.attrib[name] for name in ("fill", "stroke") if name in text.attrib})
    if "stroke" in text.attrib:
        group.set("stroke-width", f"{float(text.attrib['stroke-width']) / size:.4f}")
    for piece in found:
        group.extend(box(piece) if piece.boxed else [words(piece.text, piece.left, 0.0, 1.0, "start")])
    return group


def box(piece: Piece) -> Iterator[ElementTree.Element]:
    """A box with a character's number."""
    for left, top, width, height in bars(piece):
        sides = {"x": left, "y": top, "width": width, "height": height}
        measures = {name: f"{value:.4f}" for name, value in sides.items()}
        yield ElementTree.Element(f"{{{SVG}}}rect", {**measures, "stroke": "none"})
    for line, middle, baseline, size in digits(piece):
        digit = words(line, middle, baseline, size, "middle")
        digit.set("stroke", "none")
        yield digit


def words(text: str, x: float, y: float, size: float, anchor: Anchor) -> ElementTree.Element:
    """Text at a place; the letters already stand in the order in which they are seen."""
    place = {"x": f"{x:.4f}", "y": f"{y:.4f}", "font-size": f"{size:.4f}", "text-anchor": anchor}
    found = ElementTree.Element(f"{{{SVG}}}text", {**place, "font-family": FONTS, "xml:space": "preserve"})
    found.text = LEFT_TO_RIGHT + text
    return found
