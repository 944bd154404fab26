"""Writing files whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file beside its place, then move it there: whoever looks finds the old file or the new one.

    Raises OSError; then nothing is left behind, and an older file of that name is as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.parent / f".{path.name[:40]}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
