"""Pictures in a terminal: the protocols of kitty, iTerm2 and sixel, where the terminal has one."""

from __future__ import annotations

import base64
import io
import os
import select
import sys
import time
from collections.abc import Mapping
from typing import IO, Literal

from PIL import Image

__all__ = ["Protocol", "encode", "protocol_of", "sixel_reported"]

Protocol = Literal["kitty", "iterm", "sixel", "off"]

MAX_WIDTH = 800
_CHUNK = 4096
_COLOURS = 64


def protocol_of(environment: Mapping[str, str] | None = None, *, ask: bool = True) -> Protocol:
    """What the terminal on stdout can show, as its variables say; "off" for none.

    Args:
        environment: Variables; those of this process when None.
        ask: Ask a terminal that says nothing whether it has sixel.
    """
    given = os.environ if environment is None else environment
    term, program = given.get("TERM", ""), given.get("TERM_PROGRAM", "")
    if given.get("TMUX") or term.startswith(("screen", "tmux")) or term == "dumb":
        return "off"  # a multiplexer between us and the terminal swallows pictures
    if given.get("KITTY_WINDOW_ID") or term in ("xterm-kitty", "xterm-ghostty"):
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "vscode") or given.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if "sixel" in term or term.startswith(("foot", "mlterm")):
        return "sixel"
    return "sixel" if ask and sixel_reported() else "off"


def sixel_reported(seconds: float = 0.2) -> bool:
    """Asks the terminal what it is; whether it names sixel (4) among its abilities."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        import termios
        import tty
    except ImportError:
        return False
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    reply = b""
    try:
        tty.setcbreak(descriptor)
        sys.stdout.write("\x1b[c")
        sys.stdout.flush()
        until = time.monotonic() + seconds
        while not reply.endswith(b"c") and len(reply) < 64:
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                break
            reply += os.read(descriptor, 64)
    except OSError:
        return False
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    return b"4" in reply.strip(b"\x1b[?c").split(b";")


def encode(data: bytes, protocol: Protocol) -> str:
    """A picture as what a terminal draws it from.

    Args:
        data: A PNG or JPEG.
        protocol: Which; "off" gives "".
    """
    if protocol == "off":
        return ""
    with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as file:
        image = file.convert("RGB")
    if image.width > MAX_WIDTH:
        image = image.resize((MAX_WIDTH, max(1, image.height * MAX_WIDTH // image.width)))
    if protocol == "sixel":
        return _sixel(image)
    png = io.BytesIO()
    image.save(png, "PNG")
    text = base64.b64encode(png.getvalue()).decode("ascii")
    if protocol == "iterm":
        size = len(png.getvalue())
        return f"\x1b]1337;File=inline=1;size={size};preserveAspectRatio=1:{text}\x07\n"
    chunks = [text[i : i + _CHUNK] for i in range(0, len(text), _CHUNK)]
    parts = []
    for number, chunk in enumerate(chunks):
        head = "a=T,f=100," if number == 0 else ""
        parts.append(f"\x1b_G{head}m={int(number < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(parts) + "\n"


def _sixel(image: Image.Image) -> str:
    """Six rows at a time, one pass for each colour, runs counted (VT340 manual, chapter 14)."""
    import numpy as np

    reduced = image.quantize(_COLOURS)
    pixels = np.asarray(reduced)
    palette = (reduced.getpalette() or [])[: 3 * _COLOURS]
    out = io.StringIO()
    out.write(f'\x1bPq"1;1;{image.width};{image.height}')
    for colour in range(len(palette) // 3):
        levels = (round(v * 100 / 255) for v in palette[3 * colour : 3 * colour + 3])
        out.write("#{};2;{};{};{}".format(colour, *levels))
    weights = (1 << np.arange(6)).reshape(6, 1)
    for top in range(0, image.height, 6):
        band = pixels[top : top + 6]
        for colour in np.unique(band):
            bits = ((band == colour) * weights[: len(band)]).sum(axis=0) + 63
            out.write(f"#{colour}")
            _runs(bits.tolist(), out)
            out.write("$")
        out.write("-")
    out.write("\x1b\\\n")
    return out.getvalue()


def _runs(codes: list[int], out: IO[str]) -> None:
    start = 0
    for place in range(1, len(codes) + 1):
        if place == len(codes) or codes[place] != codes[start]:
            length, letter = place - start, chr(codes[start])
            out.write(f"!{length}{letter}" if length > 3 else letter * length)
            start = place
