"""Writes one frame of a scene as PNG, through the SVG writer."""

from __future__ import annotations

from .glyphs import text_font_file
from .palette import LIGHT
from .scene import Scene
from .svg import write_svg

ZOOM, WIDEST = 2.0, 4096.0


def write_png(scene: Scene, frame: int) -> bytes:
    """One frame as a PNG with twice the scene's pixels each way, but at most 4,096 across."""
    return rasterise(scene, frame, min(ZOOM, WIDEST / scene.width))


def rasterise(scene: Scene, frame: int, zoom: float) -> bytes:
    """One frame as a PNG, ``zoom`` pixels for each of the scene's."""
    import resvg_py

    image = resvg_py.svg_to_bytes(
        svg_string=write_svg(scene, frame),
        background=LIGHT["page"],
        zoom=zoom,
        font_files=[text_font_file()],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
    return bytes(image)
