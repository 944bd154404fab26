"""Writes a scene as an animated GIF: a picture for each frame, the last one held longer, in colours of its own."""

from __future__ import annotations

import io

from .mathematics import clean
from .palette import LIGHT
from .png import rasterise
from .scene import Scene

MILLISECONDS, LAST_MILLISECONDS = 1800, 4000
WIDEST = 1280.0
FILLS = ("page", "panel", "adjoint_fill", "tangent_fill")
SHADES = 5  # between each colour and each fill, for the smooth edges of text


def write_gif(scene: Scene, frames: int) -> bytes:
    """All frames, repeated without end."""
    from PIL import Image

    zoom = min(1.0, WIDEST / scene.width)
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour in colours() for channel in colour])
    indexed = []
    for frame in range(max(frames, 1)):
        picture = Image.open(io.BytesIO(rasterise(scene, frame, zoom))).convert("RGB")
        indexed.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    buffer = io.BytesIO()
    indexed[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=[MILLISECONDS] * (len(indexed) - 1) + [LAST_MILLISECONDS],
        loop=0,
        optimize=True,
        comment=clean(scene.title).encode()[:255],
    )
    return buffer.getvalue()


def colours() -> list[tuple[int, int, int]]:
    """The theme's colours and the shades between each two that meet: the same for all frames, so none flickers."""
    exact = {name: (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)) for name, text in LIGHT.items()}
    found = dict.fromkeys(exact.values())
    for name, (red, green, blue) in exact.items():
        flat = name in FILLS or name == "card" or name.startswith("heat")
        for fill in () if flat else (exact[fill] for fill in FILLS):
            for step in range(1, SHADES + 1):
                part = step / (SHADES + 1)
                mixed = (mix(red, fill[0], part), mix(green, fill[1], part), mix(blue, fill[2], part))
                found.setdefault(mixed)
    return list(found)[:256]


def mix(channel: int, other: int, part: float) -> int:
    """A channel's value ``part`` of the way to another."""
    return round(channel + part * (other - channel))
