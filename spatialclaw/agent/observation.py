"""Turns what a cell did into the text and the pictures that a model reads next."""

from __future__ import annotations

from typing import Any

from spatialclaw.agent.budget import Budget
from spatialclaw.agent.prompts import Prompts
from spatialclaw.kernel.results import CellResult, Shown

__all__ = ["cell_text", "clip", "describe_budget", "picture_line"]

OUTPUT_CHARACTERS = 5400
ERROR_CHARACTERS = 3600
STDERR_CHARACTERS = 900
RESULT_CHARACTERS = 1800
VARIABLES = 20


def clip(text: str, limit: int) -> str:
    """Head and tail of a long text, with how much is left out between them.

    Lines are kept whole where they are not very long.
    """
    text = text.rstrip("\n")
    if len(text) <= limit:
        return text
    head = text[: limit * 2 // 5]
    tail = text[-(limit * 3 // 5) :]
    # Whole lines, unless that would cost most of what is kept.
    if head.rfind("\n") > len(head) // 2:
        head = head[: head.rfind("\n")]
    if -1 < tail.find("\n") < len(tail) // 2:
        tail = tail[tail.find("\n") + 1 :]
    dropped = text[len(head) : len(text) - len(tail)]
    lines = dropped.count("\n")
    what = f"{lines} lines, " if lines > 1 else ""
    return f"{head}\n[... {what}{len(dropped)} characters left out ...]\n{tail}"


def describe_budget(budget: Budget) -> str:
    """What is left, in one line."""
    left = budget.left()
    parts = [f"{int(left['steps'])} cell{'' if left['steps'] == 1 else 's'}"]
    seconds = left["seconds"]
    parts.append(f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min")
    if "tokens" in left:
        parts.append(f"{int(left['tokens'])} tokens")
    if "cost_usd" in left:
        parts.append(f"${left['cost_usd']:.2f}")
    return ", ".join(parts)


def picture_line(number: int, picture: Shown) -> str:
    """What a picture is and how its pixels relate to those of a frame."""
    size = f"{picture.width}x{picture.height}{' (pinned)' if picture.pinned else ''}"
    title = f"{picture.title}: " if picture.title else ""
    source = picture.source
    if source.get("kind") != "frame":
        return f"[{number}] {title}{size}"
    name = f"frames[{source.get('frame')}]"
    if source.get("sequence"):
        name = f"videos[{source['sequence']}][{source.get('frame')}]"
    scale, offset = float(source.get("scale", 1.0)), source.get("offset") or [0, 0]
    if abs(scale - 1) < 1e-9 and not any(offset):
        return f"[{number}] {title}{size}, pixels of {name}"
    shift = f" + ({offset[0]:g}, {offset[1]:g})" if any(offset) else ""
    return f"[{number}] {title}{size}; pixel of {name} = pixel here / {scale:.4g}{shift}"


def cell_text(
    prompts: Prompts,
    result: CellResult,
    *,
    number: int,
    code: str,
    notes: list[str],
    problems: list[str],
    repeated: int | None,
    budget: Budget,
) -> str:
    """The observation after a cell.

    Args:
        prompts: Templates.
        result: What the cell did.
        number: The cell's number, from 1.
        code: The cell, to quote the line that failed.
        notes: How the reply was mended.
        problems: What is wrong with the answer the cell submitted.
        repeated: Number of the earlier, identical cell that failed likewise, or None.
        budget: What is left.
    """
    error: dict[str, Any] | None = None
    if result.error is not None:
        lines = code.split("\n")
        line = result.error.line
        quoted = lines[line - 1].strip() if line and 0 < line <= len(lines) else ""
        error = {
            "name": result.error.name,
            "message": clip(result.error.message, ERROR_CHARACTERS),
            "line": line,
            "quoted": clip(quoted, 200),
        }
    variables = result.variables
    return prompts.render(
        "observation",
        number=number,
        status=result.status,
        seconds=f"{result.seconds:.2f}",
        stdout=clip(result.stdout, OUTPUT_CHARACTERS),
        stderr=clip(result.stderr, STDERR_CHARACTERS),
        result=clip(result.result, RESULT_CHARACTERS) if result.result else "",
        error=error,
        lost=result.lost,
        truncated=result.truncated_bytes,
        new=[v for v in variables if v.change == "new"][:VARIABLES],
        changed=[v for v in variables if v.change == "changed"][:VARIABLES],
        deleted=[v.name for v in variables if v.change == "deleted"][:VARIABLES],
        more=max(0, len(variables) - 3 * VARIABLES),
        pictures=[picture_line(i, p) for i, p in enumerate(result.images, start=1)],
        notes=notes,
        problems=problems,
        repeated=repeated,
        left=describe_budget(budget),
        last=budget.limits.max_steps - budget.steps == 1,
    )
