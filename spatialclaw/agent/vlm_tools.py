"""What `locate` and `look` of a cell do on the host: a fresh conversation with the VLM."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from spatialclaw.agent.parser import strip_thoughts
from spatialclaw.agent.pictures import resized
from spatialclaw.agent.prompts import Prompts
from spatialclaw.backends.base import ChatClient, Message
from spatialclaw.kernel.results import Shown
from spatialclaw.primitives.errors import Unavailable

__all__ = ["Located", "VlmTools", "read_points"]

Convention = Literal["pixels", "resized", "0-1000", "0-1"]
LOOK_CALLS = 40
LOCATE_CALLS = 60


@dataclass(frozen=True)
class Located:
    """What a grounding reply says.

    Attributes:
        points: (x, y) in the numbers of the reply.
        boxes: (x0, y0, x1, y1) likewise.
        absent: Whether the reply says that there is no such thing.
        note: What it says beside, one line.
    """

    points: list[tuple[float, float]]
    boxes: list[tuple[float, float, float, float]]
    absent: bool
    note: str = ""


class VlmTools:
    """The handlers of ``vlm.locate`` and ``vlm.look`` of one run.

    Args:
        prompts: Templates.
        chat: The VLM, counted and recorded; may be set later. Without one, the calls say so.
    """

    def __init__(self, prompts: Prompts | None = None, chat: ChatClient | None = None) -> None:
        self._prompts = prompts or Prompts()
        self.chat = chat

    def register(self, gateway: Any) -> None:
        """Adds both methods to a `spatialclaw.kernel.gateway.Gateway`."""
        from spatialclaw.kernel.methods import LocateParams, LookParams

        gateway.register("vlm.locate", LocateParams, self.locate, quota=LOCATE_CALLS)
        gateway.register("vlm.look", LookParams, self.look, quota=LOOK_CALLS)

    async def locate(self, params: Any) -> dict[str, Any]:
        """Where something is.

        Args:
            params: `LocateParams`: one picture and what to find in it.

        Returns:
            ``points``: [{"x", "y"}...] in pixels of the picture as it came; ``boxes`` likewise;
            ``note``; ``convention``: how the reply's numbers were read.

        Raises:
            Unavailable: No VLM.
        """
        chat = self._chat()
        picture = _shown(params.image)
        caps = _capabilities(chat)
        edge = int(getattr(caps, "max_edge", 1024))
        sent = await asyncio.to_thread(resized, picture, edge)
        convention: Convention = getattr(caps, "pixels", None) or _family(chat.model)
        text = self._prompts.render(
            "locate",
            what=params.what,
            width=sent.width,
            height=sent.height,
            convention=convention,
        )
        message = Message("user", (sent, text))
        reply = await chat.complete([message], purpose="locate", max_tokens=2048, temperature=0.0)
        found = read_points(reply.text)
        points = list(found.points) or [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in found.boxes]
        used = _convention_of(convention, points, found.boxes, sent)
        scale = _scale(used, picture, sent)
        return {
            "points": [_clamped(x * scale[0], y * scale[1], picture) for x, y in points],
            "boxes": [
                [b[0] * scale[0], b[1] * scale[1], b[2] * scale[0], b[3] * scale[1]]
                for b in found.boxes
            ],
            "note": found.note,
            "convention": used,
        }

    async def look(self, params: Any) -> dict[str, Any]:
        """What is to be seen.

        Args:
            params: `LookParams`: pictures and a question.

        Returns:
            ``text``: the reply.

        Raises:
            Unavailable: No VLM.
        """
        chat = self._chat()
        parts: list[str | Shown] = []
        for number, image in enumerate(params.images, start=1):
            title = f" ({image.title})" if image.title else ""
            parts += [f"Picture {number}{title}:", _shown(image)]
        parts.append(
            self._prompts.render("look", question=params.question, count=len(params.images))
        )
        message = Message("user", tuple(parts))
        reply = await chat.complete([message], purpose="look", max_tokens=4096)
        return {"text": reply.text.strip() or "(the VLM gave no answer)"}

    def _chat(self) -> ChatClient:
        if self.chat is None:
            raise Unavailable(
                "no VLM is connected to this run",
                hint="use segment, detect, markers and geometry instead",
            )
        return self.chat


def read_points(text: str) -> Located:
    """Reads points and boxes out of what models write when asked for them.

    Understood are JSON (a list or an object, in a fence or bare; keys point, point_2d, bbox_2d,
    box, x/y and so on), ``<point x="12.5" y="30">``, ``<points x1= y1= ...>``, ``(x, y)`` and
    ``[x, y]``, and the refusals that the prompt asks for.
    """
    text = strip_thoughts(text)[0].strip()
    note = " ".join(text.split())[:300]
    points: list[tuple[float, float]] = []
    boxes: list[tuple[float, float, float, float]] = []
    value = _find_json(text)
    if value is not None:
        _collect(value, points, boxes)
    if not points and not boxes:
        for attributes in re.findall(r"<points?\s+([^>]*)>", text):
            pairs = dict(re.findall(r"\b([xy]\d*)\s*=\s*\"?(-?\d+(?:\.\d+)?)", attributes))
            for key, x in pairs.items():
                if key.startswith("x") and f"y{key[1:]}" in pairs:
                    points.append((float(x), float(pairs[f"y{key[1:]}"])))
    if not points and not boxes:
        number = r"\s*(-?\d+(?:\.\d+)?)\s*"
        for group in re.findall(rf"[\[(]{number},{number},{number},{number}[\])]", text):
            a, b, c, d = (float(n) for n in group)
            boxes.append((a, b, c, d))
        if not boxes:
            for x, y in re.findall(rf"[\[(]{number},{number}[\])]", text):
                points.append((float(x), float(y)))
    absent = not points and not boxes
    said = re.search(
        r"not (?:visible|present|found|in the picture)|no such|none|cannot", text.lower()
    )
    return Located(points, boxes, absent, note if absent or said else "")


def _find_json(text: str) -> Any:
    fence = re.search(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)
    candidates = [fence.group(1)] if fence else []
    candidates += [text[match.start() :] for match in re.finditer(r"[\[{]", text)][:20]
    for candidate in candidates:
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(candidate.strip())
        except ValueError:
            continue
        if isinstance(value, dict | list):
            return value
    return None


def _numbers(value: Any) -> list[float] | None:
    if not isinstance(value, list | tuple):
        return None
    if any(isinstance(item, bool) or not isinstance(item, int | float) for item in value):
        return None
    return [float(item) for item in value]


def _collect(
    value: Any,
    points: list[tuple[float, float]],
    boxes: list[tuple[float, float, float, float]],
) -> None:
    numbers = _numbers(value)
    if numbers is not None:
        if len(numbers) == 2:
            points.append((numbers[0], numbers[1]))
        elif len(numbers) == 4:
            boxes.append((numbers[0], numbers[1], numbers[2], numbers[3]))
        return
    if isinstance(value, list):
        for item in value:
            _collect(item, points, boxes)
        return
    if not isinstance(value, dict):
        return
    xy = _numbers([value.get("x"), value.get("y")])
    if xy is not None:
        points.append((xy[0], xy[1]))
        return
    for key, item in value.items():
        if key in ("box_2d",) and (numbers := _numbers(item)) and len(numbers) == 4:
            # This key means (y0, x0, y1, x1), 0 to 1000, in the models that use it.
            boxes.append((numbers[1], numbers[0], numbers[3], numbers[2]))
        elif isinstance(item, list | dict):
            before = len(points), len(boxes)
            _collect(item, points, boxes)
            numbers = _numbers(item)
            if key == "point" and numbers and len(numbers) == 2 and "box_2d" in value:
                points[before[0] :] = [(numbers[1], numbers[0])]


def _convention_of(
    expected: Convention,
    points: list[tuple[float, float]],
    boxes: list[tuple[float, float, float, float]],
    sent: Shown,
) -> Convention:
    """The convention the numbers can only be in; the expected one unless they rule it out."""
    numbers = [n for p in points for n in p] + [n for b in boxes for n in b]
    if not numbers:
        return expected
    fractions = all(0 <= n <= 1 for n in numbers) and any(n != int(n) for n in numbers)
    if fractions:
        return "0-1"
    xs = [p[0] for p in points] + [n for b in boxes for n in (b[0], b[2])]
    ys = [p[1] for p in points] + [n for b in boxes for n in (b[1], b[3])]
    outside = max(xs) > sent.width + 1 or max(ys) > sent.height + 1
    if expected in ("pixels", "resized") and outside and max(numbers) <= 1000:
        return "0-1000"
    if expected in ("0-1000", "0-1") and max(numbers) > 1000 and not outside:
        return "pixels"
    return "pixels" if expected == "0-1" else expected


def _scale(convention: Convention, picture: Shown, sent: Shown) -> tuple[float, float]:
    """Source pixels per unit of the reply."""
    if convention == "0-1":
        return float(picture.width), float(picture.height)
    if convention == "0-1000":
        return picture.width / 1000, picture.height / 1000
    return picture.width / sent.width, picture.height / sent.height


def _clamped(x: float, y: float, picture: Shown) -> dict[str, float]:
    return {
        "x": round(min(max(x, 0.0), picture.width - 1.0), 2),
        "y": round(min(max(y, 0.0), picture.height - 1.0), 2),
    }


def _family(model: str | None) -> Convention:
    """The usual convention of a model family; a probe of the endpoint says it for certain."""
    name = (model or "").lower()
    if re.search(r"qwen-?2\.?5|qwen2_5", name):
        return "pixels"
    if re.search(r"qwen-?3|gemini|gemma|internvl|glm|paligemma|deepseek-vl", name):
        return "0-1000"
    return "pixels"


def _capabilities(chat: ChatClient) -> Any:
    inner = getattr(chat, "inner", chat)
    return getattr(inner, "capabilities", None)


def _shown(image: Any) -> Shown:
    return Shown(
        image.data,
        image.media_type,
        image.width,
        image.height,
        title=image.title,
        source={"kind": "frame", "frame": 0, "scale": 1.0, "offset": [0, 0]},
    )
