"""Small things about files: natural order, numbers in names, hashes, what a file really holds."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from spatialclaw.errors import MediaError

__all__ = [
    "DEPTH_WORDS",
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "find_one",
    "is_hidden",
    "listing",
    "natural_key",
    "number_in",
    "read_text",
    "require_file",
    "sha256",
    "sniff",
    "words",
]

PICTURE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".ppm",
        ".pgm",
        ".pnm",
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
    ]
)
VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".3gp",
        ".ogv",
        ".gif",
        ".y4m",
        ".h264",
        ".264",
        ".hevc",
        ".h265",
        ".mjpeg",
        ".mjpg",
    ]
)
DEPTH_WORDS = frozenset({"depth", "depths", "depthmap", "zdepth", "tiefe"})

#: A text file larger than this is not one of the small files that describe a capture.
MAX_TEXT_BYTES = 256 * 1024 * 1024


def natural_key(path: Path | str) -> list[tuple[int, int, str]]:
    """Sort key in which "view_2" comes before "view_10"."""
    text = path.as_posix() if isinstance(path, Path) else path
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
        for part in re.split(r"(\d+)", text)
        if part
    ]


def words(name: str) -> list[str]:
    """The words of a file name: "Left_depth-01.png" gives left, depth, 01, png."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.casefold() for word in re.findall(r"[^\W\d_]+|\d+", spaced)]


def number_in(name: str) -> int | None:
    """The number that a file name carries ("frame-000400.color.jpg" gives 400), or None."""
    stem = name.split(".")[0] if re.match(r"[^.]*\d", name.split(".")[0]) else name
    found = re.findall(r"\d+", stem)
    return int(found[-1]) if found else None


def is_hidden(path: Path) -> bool:
    """Whether a file is none of the user's making (dot files, macOS forks, thumbnails)."""
    return path.name.startswith((".", "__MACOSX")) or path.name in {"Thumbs.db", "desktop.ini"}


def listing(folder: Path) -> list[Path]:
    """Files and folders in a folder in natural order, hidden ones left out.

    Raises:
        MediaError: The folder cannot be read.
    """
    try:
        entries = [path for path in folder.iterdir() if not is_hidden(path)]
    except OSError as error:
        raise MediaError(f"{folder}: cannot be read ({error.strerror})") from error
    return sorted(entries, key=lambda path: natural_key(path.name))


def find_one(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of these names that is a file in the folder, or None."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def require_file(path: Path) -> None:
    """Raises unless a path is a readable file with something in it.

    Raises:
        MediaError: It does not exist, is no file, is empty or cannot be read.
    """
    if not path.exists():
        raise MediaError(f"{path}: no such file or folder", hint="Check the path.")
    if not path.is_file():
        raise MediaError(f"{path}: not a file")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path}: no permission to read it")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty (0 bytes)", hint="Copy or download it again.")


def sniff(path: Path) -> str:
    """What the first bytes of a file look like: "text", "a web page", "an archive", "binary"."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    if re.match(rb"\s*(<!doctype html|<html)", head, re.IGNORECASE):
        return "a web page"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (run: git lfs pull)"
    if head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")):
        return "an archive (unpack it first)"
    if head.startswith(b"%PDF"):
        return "a PDF document"
    if b"\0" not in head:
        try:
            # The cut at 4096 bytes may have split a character.
            head.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start < len(head) - 4:
                return "binary"
        return "text"
    return "binary"


def read_text(path: Path) -> str:
    """The text of a small file that describes a capture.

    Raises:
        MediaError: It is missing, empty, huge or no text.
    """
    require_file(path)
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise MediaError(f"{path}: {path.stat().st_size / 1e6:.0f} MB are too much for a text file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MediaError(f"{path}: not a text file in UTF-8") from error


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
