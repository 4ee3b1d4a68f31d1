"""Reads an answer out of prose, for the one reply after the budget has ended."""

from __future__ import annotations

import ast
import re

from spatialclaw.agent.types import Task
from spatialclaw.kernel.results import Submission

__all__ = ["literal_submit", "read_final_text"]

_FINAL = re.compile(
    r"(?:^|\n)[\s*_#>`]*(?:(?:final|best|my)\s+)*(?:answer|guess)[\s*_`]*(?:is|:|=)+[\s*_`]*(.+)",
    re.IGNORECASE,
)
_LOUD = re.compile(r"\bANSWER\s*:[\s*_`]*(.+)")
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_TAGGED = re.compile(r"<answer>\s*(.*?)\s*(?:</answer>|\Z)", re.IGNORECASE | re.DOTALL)
_CONFIDENCE = re.compile(r"\bconfidence[\s*_`]*[:=]?[\s*_`]*(\d+(?:\.\d+)?)\s*(%)?", re.IGNORECASE)
_NAMES = ("value", "unit", "confidence", "evidence")
_SUBMIT = re.compile(r"\bsubmit\s*\(")
_IS = re.compile(r"\b(?:the )?(?:final |best |correct )?answer is[:\s]+(.+)", re.IGNORECASE)


def read_final_text(task: Task, text: str) -> Submission | None:
    r"""Reads an answer out of prose: "ANSWER: 3.2 m", ``\boxed{B}``, ``<answer>yes</answer>``.

    Args:
        task: What was asked.
        text: The reply, thoughts taken off.

    Returns:
        The answer as a submission, or None when the text gives none.
    """
    confidence = None
    stated = re.search(
        r"\bconfidence[\s*_`]*[:=]?[\s*_`]*(\d+(?:\.\d+)?)\s*(%)?", text, re.IGNORECASE
    )
    if stated:
        number = float(stated.group(1)) / (100 if stated.group(2) else 1)
        confidence = number if 0 <= number <= 1 else None
    for pattern in (_BOXED, _TAGGED, _FINAL, _LOUD, _IS):
        found = pattern.findall(text)
        if found:
            return _submission(task, found[-1], confidence)
    literal = literal_submit(text)
    if literal is not None:
        return literal
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    short = len(lines) == 1 and len(lines[0]) <= 200
    return _submission(task, lines[0], confidence) if short else None


def _submission(task: Task, raw: str, confidence: float | None) -> Submission | None:
    value = re.split(r"[,;(]?\s*\bconfidence\b", raw, flags=re.IGNORECASE)[0]
    value = re.sub(r"\\(?:text|mathrm)\{([^{}]*)\}", r"\1", value).strip(" \t*_`$\\\n")
    if not task.choices and value.endswith(".") and not value[:-1].endswith("."):
        value = value[:-1]
    return Submission(value, confidence=confidence) if value else None


def literal_submit(text: str) -> Submission | None:
    """A ``submit(...)`` whose arguments are plain values."""
    for match in reversed(list(_SUBMIT.finditer(text))):
        depth, end = 0, None
        for position in range(match.end() - 1, len(text)):
            depth += {"(": 1, ")": -1}.get(text[position], 0)
            if depth == 0:
                end = position + 1
                break
        if end is None:
            continue
        try:
            call = ast.parse(text[match.start() : end], mode="eval").body
            if not isinstance(call, ast.Call):
                continue
            values = [ast.literal_eval(argument) for argument in call.args]
            named = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg}
        except (SyntaxError, ValueError):
            continue
        merged = (
            dict(zip(("value", "unit", "confidence", "evidence"), values, strict=False)) | named
        )
        if "value" in merged:
            evidence = merged.get("evidence") or []
            unit, confidence = merged.get("unit"), merged.get("confidence")
            return Submission(
                merged["value"],
                unit if isinstance(unit, str) else None,
                confidence if isinstance(confidence, int | float) else None,
                list(evidence) if isinstance(evidence, list | tuple) else [evidence],
            )
    return None
