"""Writes one frame of a scene as PNG, through the SVG writer."""

from __future__ import annotations

from .glyphs import text_font_file
from .palette import LIGHT
from .scene import Scene
from .svg import write_svg


def write_png(scene: Scene, frame: int, zoom: float = 2.0) -> bytes:
    """One frame as a PNG of ``zoom`` times the scene's size in pixels."""
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
