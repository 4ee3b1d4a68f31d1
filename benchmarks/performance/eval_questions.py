"""Questions and a scripted model for the measurements of `spatialclaw eval`.

The model answers from the question's text alone, so that the same question has the same answer in
every run, however often it was killed and whoever asked.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialclaw.backends.scripted_server import FAULTS, Reply

__all__ = ["FAULTY", "answer_to", "model", "write_questions"]

FAULTY = ("429", "500", "503", "html", "truncated", "dropped", "dropped within")
_NUMBER = re.compile(r"Question (\d+):")


def write_questions(folder: Path, count: int, *, pictures: int = 20) -> Path:
    """Writes a file of questions with small pictures, several questions to a picture."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(pictures):
        pixels = np.full((120, 160, 3), 40 + 5 * number, np.uint8)
        pixels[40:80, 60:100] = (220, 40, 40)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    path = folder / "questions.jsonl"
    with path.open("w") as file:
        for number in range(count):
            row = {
                "id": f"q{number:04d}",
                "media": f"{number % pictures}.png",
                "question": f"Question {number}: on which side is the square?",
                "choices": {"A": "left", "B": "right", "C": "above", "D": "below"},
                "truth": "ABCD"[number % 4],
                "task": f"kind {number % 3}",
            }
            file.write(json.dumps(row) + "\n")
    return path


def answer_to(number: int) -> str | None:
    """What the model says to a question: right mostly, wrong at times, now and then nothing."""
    draw = int(hashlib.sha256(str(number).encode()).hexdigest(), 16)
    if draw % 23 == 0:
        return None
    return "ABCD"[(number + (draw % 3 == 0)) % 4]


def model(
    *, steps: int = 1, faults: float = 0.0, seed: int = 0
) -> Callable[[dict[str, Any]], str | Reply]:
    """A script for `ScriptedServer`.

    Args:
        steps: Cells before the one that submits (no plan or cell in a direct run).
        faults: Share of the requests that fail in one of the ways of `FAULTY`.
        seed: Of the faults.
    """
    draw = random.Random(seed)

    def reply(request: dict[str, Any]) -> str | Reply:
        if draw.random() < faults:
            return FAULTS[draw.choice(FAULTY)]
        messages = request["messages"]
        text = json.dumps(messages)
        found = _NUMBER.search(text)
        said = answer_to(int(found[1])) if found else "A"
        if "No code will run" in text or "ANSWER:" in str(messages[0]["content"])[-200:]:
            return "I cannot tell." if said is None else f"ANSWER: {said}"
        turns = sum(message["role"] == "assistant" for message in messages)
        if turns == 0:
            return "Measure the square, then answer."
        if turns <= steps:
            return f"```python\nx{turns} = frames[0].image.mean()\nprint(x{turns})\n```"
        if said is None or "budget is used up" in text:
            return "I cannot tell."
        return f"```python\nsubmit({said!r})\n```"

    return reply
