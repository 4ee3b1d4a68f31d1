"""The pictures of a run, checked, made smaller and put into the page itself."""

from __future__ import annotations

import base64
import io
import stat
from dataclasses import dataclass, field
from pathlib import Path

from spatialclaw.traces.read import Run

__all__ = ["LEVELS", "Album", "Level", "picture_file", "read_picture"]

_MOST_BYTES = 40_000_000
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Level:
    """How much is kept of the pictures.

    Attributes:
        edge: Longest side, pixels; 0: no pictures.
        quality: Of JPEG.
    """

    edge: int
    quality: int


# As recorded first, then ever smaller until the page fits.
LEVELS = (
    Level(100_000, 100),
    Level(1280, 82),
    Level(960, 78),
    Level(640, 74),
    Level(400, 68),
    Level(240, 60),
    Level(0, 0),
)


@dataclass
class Album:
    """Pictures as data URIs, each once.

    Attributes:
        run: Whose pictures.
        level: How much is kept of each.
        missing: Names of pictures that are not there, or are none.
        smaller: How many were made smaller.
    """

    run: Run
    level: Level
    missing: set[str] = field(default_factory=set)
    smaller: int = 0
    _known: dict[str, str] = field(default_factory=dict)

    def uri(self, name: str) -> str:
        """The picture as a data URI; "" when missing."""
        if name not in self._known:
            self._known[name] = self._make(name)
        return self._known[name]

    def _make(self, name: str) -> str:
        if self.level.edge == 0:
            return ""
        found = read_picture(self.run, name)
        if found is None:
            self.missing.add(name)
            return ""
        data, kind = found
        small = _smaller(data, self.level)
        if small is not None and len(small) < len(data):
            data, kind = small, "image/jpeg"
            self.smaller += 1
        return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def read_picture(run: Run, name: str) -> tuple[bytes, str] | None:
    """Bytes and media type of a picture of a run; None when it is missing or no picture.

    The media type is what the bytes are, whatever the name says.
    """
    path = picture_file(run, name)
    if path is None:
        return None
    from PIL import Image

    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=list(_TYPES)) as image:
            kind = _TYPES[image.format or ""]
            image.verify()
    except Exception:  # Pillow raises many kinds on what is no picture
        return None
    return data, kind


def picture_file(run: Run, name: str) -> Path | None:
    """The plain file of a picture; None when it is missing, elsewhere or too large."""
    try:
        path = run.image(name)
        if path is None:
            return None
        facts = path.stat()
    except (OSError, ValueError):  # names with a null byte, or too long
        return None
    return path if stat.S_ISREG(facts.st_mode) and facts.st_size <= _MOST_BYTES else None


def _smaller(data: bytes, level: Level) -> bytes | None:
    """The picture as a smaller JPEG; None when it is small enough as it is."""
    if level.quality >= 100:
        return None
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            plain = image.convert("RGB")
            plain.thumbnail((level.edge, level.edge))
            out = io.BytesIO()
            plain.save(out, "JPEG", quality=level.quality, optimize=True)
    except Exception:  # a picture whose header is right and whose body is not
        return None
    return out.getvalue()
