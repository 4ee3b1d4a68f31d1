"""Small sets of questions and a model that answers them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spatialclaw.backends.scripted_server import Reply

LETTERS = "ABCD"


def write_questions(folder: Path, count: int, **fields: Any) -> Path:
    """A file of questions; the truth of number i is its letter."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in range(3):
        Image.fromarray(np.full((48, 64, 3), 60 * scene, np.uint8)).save(folder / f"{scene}.png")
    path = folder / "questions.jsonl"
    rows = [
        {
            "id": f"q{i}",
            "media": f"{i % 3}.png",
            "question": f"Question {i}: where is it?",
            "choices": {"A": "left", "B": "right", "C": "above", "D": "below"},
            "truth": LETTERS[i % 4],
            "task": f"kind {i % 2}",
            **fields,
        }
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def model(answer: Callable[[int], str | Reply]) -> Callable[[dict[str, Any]], str | Reply]:
    """A script that answers question i; requests about no question get a plain reply."""

    def reply(request: dict[str, Any]) -> str | Reply:
        found = re.search(r"Question (\d+):", json.dumps(request["messages"]))
        return answer(int(found[1])) if found else "yes"

    return reply


def right(number: int) -> str:
    """The right answer."""
    return f"ANSWER: {LETTERS[number % 4]}"


def asked(requests: list[dict[str, Any]]) -> list[int]:
    """The numbers of the questions that a server was asked."""
    found = [re.search(r"Question (\d+):", json.dumps(r["messages"])) for r in requests]
    return [int(match[1]) for match in found if match]
