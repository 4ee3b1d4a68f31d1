"""Finds out whether a server sees, and in which numbers it points: `doctor --vlm`.

A picture is drawn by chance, so that no answer can be known beforehand: some discs of one colour, a
number, and one ring whose place is asked for.
"""

from __future__ import annotations

import io
import json
import random
import re
import time
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.vlm_tools import read_points
from spatialclaw.backends.base import ChatClient, Message
from spatialclaw.backends.capabilities import PixelConvention
from spatialclaw.errors import BackendError
from spatialclaw.kernel.results import Shown

__all__ = ["Picture", "Probe", "convention_of", "draw_picture", "probe"]

COLOURS = {
    "red": (215, 35, 35),
    "green": (30, 150, 50),
    "blue": (35, 60, 215),
    "orange": (245, 145, 20),
    "purple": (130, 40, 160),
}
SIZE = (1024, 768)
NEAR = 0.06


@dataclass(frozen=True)
class Picture:
    """A drawn picture and what is in it.

    Attributes:
        shown: The picture.
        colour: Of the discs.
        count: How many discs.
        number: The number written.
        ring: Pixel (x, y) of the ring's centre.
    """

    shown: Shown
    colour: str
    count: int
    number: int
    ring: tuple[int, int]


@dataclass(frozen=True)
class Probe:
    """What a server showed it can do.

    Attributes:
        sees: Whether it read colour, count and number off the picture; two of three are enough.
        right: What it got right, by name.
        said: What it said.
        convention: In which numbers it points, or None when it cannot point.
        off: Distance of its point from the ring, as a fraction of the picture's diagonal, or None.
        max_images: Pictures in one request as far as it was learnt, or None.
        reasoning: Field its reasoning comes in, or None.
        seconds: Time of all requests.
        error: Why there is no more, or "".
    """

    sees: bool
    right: dict[str, bool] = field(default_factory=dict)
    said: str = ""
    convention: PixelConvention | None = None
    off: float | None = None
    max_images: int | None = None
    reasoning: str | None = None
    seconds: float = 0.0
    error: str = ""


def draw_picture(seed: int | None = None) -> Picture:
    """A picture with discs, a number and a ring, by chance."""
    from PIL import Image, ImageDraw, ImageFont

    chance = random.Random(seed)
    colour = chance.choice(sorted(COLOURS))
    count, number = chance.randint(3, 6), chance.randint(11, 97)
    width, height = SIZE
    image = Image.new("RGB", SIZE, (245, 245, 240))
    pen = ImageDraw.Draw(image)
    for slot in chance.sample(range(8), count):
        x, y = 90 + 120 * slot, height - 90 - 40 * (slot % 2)
        pen.ellipse((x - 42, y - 42, x + 42, y + 42), fill=COLOURS[colour])
    pen.text((60, 60), str(number), fill=(20, 20, 20), font=ImageFont.load_default(size=170))
    # Far from the diagonal and the middle, where conventions could be mistaken for each other.
    ring = (chance.randint(int(0.62 * width), int(0.9 * width)), chance.randint(90, 330))
    for radius in (46, 45, 44, 43, 42, 41, 40, 39):
        box = (ring[0] - radius, ring[1] - radius, ring[0] + radius, ring[1] + radius)
        pen.ellipse(box, outline=(0, 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    shown = Shown(buffer.getvalue(), "image/jpeg", width, height, "probe", {"kind": "array"})
    return Picture(shown, colour, count, number, ring)


async def probe(
    chat: ChatClient, *, prompts: Prompts | None = None, seed: int | None = None, images: int = 6
) -> Probe:
    """Asks a server about a drawn picture, and how many pictures it takes.

    What is learnt goes into the client's capabilities, and is kept where the client keeps them.

    Args:
        chat: The server.
        prompts: Templates.
        seed: Of the picture; by chance when None.
        images: Pictures to try in one request.
    """
    prompts = prompts or Prompts()
    picture = draw_picture(seed)
    caps = getattr(chat, "capabilities", None)
    started = time.monotonic()
    said, right, convention, off = "", {}, None, None
    try:
        question = Message("user", (picture.shown, prompts.render("probe")))
        said = (await chat.complete([question], purpose="probe", max_tokens=2048)).text
        right = _right(said, picture)
        if sum(right.values()) >= 2:
            where = Message("user", (picture.shown, prompts.render("probe_point")))
            reply = await chat.complete([where], purpose="probe", max_tokens=2048)
            convention, off = convention_of(reply.text, picture)
            many = Message("user", ("How many pictures are these?", *[picture.shown] * images))
            await chat.complete([many], purpose="probe", max_tokens=512)
    except BackendError as error:
        return Probe(
            sum(right.values()) >= 2, right, said, convention, off,
            seconds=time.monotonic() - started, error=str(error),
        )  # fmt: skip
    if caps is not None:
        caps.vision = sum(right.values()) >= 2
        caps.pixels = convention or caps.pixels
        caps.seen["probe"] = {"right": right, "off": off}
        save = getattr(chat, "save_capabilities", None)
        if save is not None:
            save()
    return Probe(
        sum(right.values()) >= 2,
        right,
        said,
        convention,
        off,
        getattr(caps, "max_images", None),
        getattr(caps, "reasoning", None),
        time.monotonic() - started,
    )


def _right(said: str, picture: Picture) -> dict[str, bool]:
    fields: dict[str, Any] = {}
    for match in re.finditer(r"\{", said):
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(said[match.start() :])
        except ValueError:
            continue
        if isinstance(value, dict):
            fields = value
            break
    return {
        "colour": picture.colour in str(fields.get("colour", fields.get("color", ""))).lower(),
        "count": str(fields.get("count", "")).strip() == str(picture.count),
        "number": str(fields.get("number", "")).strip() == str(picture.number),
    }


def convention_of(reply: str, picture: Picture) -> tuple[PixelConvention | None, float | None]:
    """The convention in which a reply's point is nearest to the ring, if it is near at all.

    Returns:
        The convention, and the distance from the ring as a fraction of the diagonal.
    """
    found = read_points(reply)
    points = found.points or [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in found.boxes]
    if not points:
        return None, None
    (x, y), (width, height) = points[0], (picture.shown.width, picture.shown.height)
    diagonal = (width**2 + height**2) ** 0.5

    def off(scale_x: float, scale_y: float) -> float:
        dx, dy = x * scale_x - picture.ring[0], y * scale_y - picture.ring[1]
        return float((dx**2 + dy**2) ** 0.5 / diagonal)

    tried: dict[PixelConvention, float] = {
        "pixels": off(1, 1),
        "0-1000": off(width / 1000, height / 1000),
        "0-1": off(width, height),
    }
    best = min(tried, key=lambda name: tried[name])
    return (best, round(tried[best], 4)) if tried[best] <= NEAR else (None, round(tried[best], 4))
