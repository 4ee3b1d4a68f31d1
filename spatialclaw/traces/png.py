"""The key steps of a run as pictures for documents: question, cell, picture, answer."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.errors import RunError
from spatialclaw.traces.notebook_text import clean, clip
from spatialclaw.traces.path_of_run import Step, steps_of
from spatialclaw.traces.read import Run

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

__all__ = ["key_steps", "write_png"]

WIDTH = 1200
MARGIN = 28
GAP = 14
CODE_LINES = 18
OUTPUT_LINES = 10
KEY_STEPS = 4

_PAPER, _INK, _DIM = (255, 255, 255), (28, 30, 33), (92, 98, 106)
_PANEL, _ACCENT, _RED = (244, 246, 248), (17, 94, 163), (176, 32, 32)


@dataclass(frozen=True)
class _Line:
    text: str
    font: str = "text"
    colour: tuple[int, int, int] = _INK


def write_png(run: Run, out: Path) -> Path:
    """Draws the key steps of a run.

    Args:
        run: The run.
        out: A name ending in ".png" for one picture of all, else a folder for one picture a step.

    Returns:
        `out`.

    Raises:
        RunError: The run holds nothing to draw, or `out` cannot be written.
    """
    if not run.question and not run.cells:
        raise RunError(f"{run.path} holds no question and no cell yet")
    cards = [_head_card(run), *(_step_card(run, step) for step in key_steps(run))]
    if run.answer:
        cards.append(_answer_card(run.answer))
    try:
        if out.suffix.lower() == ".png":
            out.parent.mkdir(parents=True, exist_ok=True)
            _stack(cards).save(out, optimize=True)
        else:
            out.mkdir(parents=True, exist_ok=True)
            names = ["question", *(f"step-{i}" for i in range(1, len(cards) - bool(run.answer)))]
            names += ["answer"] * bool(run.answer)
            for number, (name, card) in enumerate(zip(names, cards, strict=True)):
                card.save(out / f"{number:02d}-{name}.png", optimize=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from error
    return out


def key_steps(run: Run, most: int = KEY_STEPS) -> list[Step]:
    """The steps that matter most: what was seen, measured and submitted, in order.

    The last step that submitted counts, then steps with pictures, then those that measured and
    those that printed numbers; a step that failed does not.
    """
    steps = [step for step in steps_of(run) if step.kept]
    submitting = [step for step in steps if step.submission]

    def worth(step: Step) -> tuple[int, int]:
        pictures = len(step.event.get("images") or [])
        kinds = {variable.get("type") for variable in step.result.get("variables") or []}
        measured = bool(step.result.get("measurements")) or "Measurement" in kinds
        printed = bool(step.result.get("stdout"))
        value = 4 * bool(pictures) + 3 * measured + printed
        return (
            100 if submitting and step is submitting[-1] else value,
            step.event.get("number", 0),
        )

    chosen = sorted(steps, key=worth, reverse=True)[:most]
    return [step for step in steps if step in chosen]


def _head_card(run: Run) -> Image:
    lines = _wrapped(run.question or "A session", "title", _INK, 6)
    for letter, text in (run.facts.get("choices") or {}).items():
        lines += _wrapped(f"{letter}. {text}", "text", _INK, 3)
    media = ", ".join(Path(str(m.get("path"))).name for m in run.facts.get("media") or [])
    if media:
        lines += _wrapped(media, "small", _DIM, 2)
    return _card(lines)


def _step_card(run: Run, step: Step) -> Image:
    lines = [_Line(f"Cell {step.event.get('number', '?')}", "small", _ACCENT)]
    code = _cut(clean(step.code).expandtabs(4).splitlines(), CODE_LINES)
    lines += [_Line(_fit(line), "code") for line in code]
    output = clean(str(step.result.get("stdout") or "")).expandtabs(4).rstrip().splitlines()
    if output:
        lines.append(_Line(""))
        lines += [_Line(_fit(line), "code", _DIM) for line in _cut(output, OUTPUT_LINES)]
    return _card(lines, _pictures(run, step)[:3], panel=True)


def _answer_card(answer: dict[str, Any]) -> Image:
    if answer.get("status") == "failed":
        return _card(_wrapped(f"No answer: {answer.get('reason') or ''}", "title", _RED, 4))
    guess = " (best guess)" if answer.get("status") == "best_guess" else ""
    lines = _wrapped(f"{answer.get('text')}{guess}", "title", _ACCENT, 6)
    for item in (answer.get("evidence") or [])[:6]:
        lines += _wrapped(f"· {item}", "text", _INK, 2)
    if answer.get("confidence") is not None:
        lines += _wrapped(f"confidence {answer['confidence']}", "small", _DIM, 1)
    return _card(lines)


def _pictures(run: Run, step: Step) -> list[Path]:
    found = [run.image(str(shown.get("image") or "")) for shown in step.event.get("images") or []]
    return [path for path in found if path is not None]


def _wrapped(text: str, font: str, colour: tuple[int, int, int], most: int) -> list[_Line]:
    width = WIDTH - 2 * MARGIN
    columns = max(10, int(width / _font(font).getlength("n")))
    flat = " ".join(clip(clean(text), 4_000).split())
    lines = textwrap.wrap(flat, columns, max_lines=most, placeholder=" ...") or [""]
    return [_Line(line, font, colour) for line in lines]


def _cut(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    left = len(lines) - most + 1
    return [*lines[: most - 3], f"[... {left} lines]", *lines[-2:]]


def _fit(line: str) -> str:
    columns = int((WIDTH - 4 * MARGIN) / _font("code").getlength("0"))
    return line if len(line) <= columns else f"{line[: columns - 4]} ..."


def _card(lines: list[_Line], pictures: list[Path] | None = None, *, panel: bool = False) -> Image:
    from PIL import Image, ImageDraw

    shown = _row(pictures or [])
    inset = MARGIN * (2 if panel else 1)
    heights = [_height(line) for line in lines]
    text = sum(heights) + (2 * GAP if panel else 0)
    height = text + (shown.height + GAP if shown is not None else 0) + 2 * GAP
    card = Image.new("RGB", (WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(card)
    y = GAP
    if panel:
        draw.rounded_rectangle((MARGIN, y, WIDTH - MARGIN, y + text), 8, fill=_PANEL)
        y += GAP
    for line, line_height in zip(lines, heights, strict=True):
        draw.text((inset, y), line.text, font=_font(line.font), fill=line.colour)
        y += line_height
    if shown is not None:
        card.paste(shown, (MARGIN, height - shown.height - GAP))
    return card


def _row(paths: list[Path]) -> Image | None:
    """Pictures side by side, of one height; one that does not decode is left out."""
    from PIL import Image

    images: list[Image.Image] = []
    for path in paths:
        try:
            with Image.open(path, formats=["JPEG", "PNG"]) as file:
                images.append(file.convert("RGB"))
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # half-written or damaged: the text of the step is still worth showing
    if not images:
        return None
    room = WIDTH - 2 * MARGIN - GAP * (len(images) - 1)
    aspect = sum(image.width / image.height for image in images)
    height = max(1, min(440, int(room / aspect)))
    scaled = [i.resize((max(1, int(i.width * height / i.height)), height)) for i in images]
    row = Image.new("RGB", (WIDTH - 2 * MARGIN, height), _PAPER)
    x = 0
    for image in scaled:
        row.paste(image, (x, 0))
        x += image.width + GAP
    return row


def _stack(cards: list[Image]) -> Image:
    from PIL import Image

    page = Image.new("RGB", (WIDTH, sum(card.height for card in cards) + 2 * GAP), _PAPER)
    y = GAP
    for card in cards:
        page.paste(card, (0, y))
        y += card.height
    return page


def _height(line: _Line) -> int:
    return int(_font(line.font).size * 1.4)


@cache
def _font(kind: str) -> FreeTypeFont:
    """DejaVu, which comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    name, size = {
        "title": ("DejaVuSans-Bold", 30),
        "text": ("DejaVuSans", 21),
        "small": ("DejaVuSans", 17),
        "code": ("DejaVuSansMono", 16),
    }[kind]
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf"), size)
