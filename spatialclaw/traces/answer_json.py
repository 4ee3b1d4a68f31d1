"""The answer as the one JSON object that programs read."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from spatialclaw._version import __version__
from spatialclaw.agent.types import Answer
from spatialclaw.traces.jsonable import jsonable

__all__ = ["answer_json", "answer_schema"]


def answer_json(answer: Answer) -> dict[str, Any]:
    """The answer as ``ask --json`` prints it; `answer_schema` describes it."""
    return {
        "answer": jsonable(answer.value),
        "text": answer.text,
        "unit": answer.unit,
        "answer_type": answer.answer_type,
        "confidence": jsonable(answer.confidence),
        "status": answer.status,
        "evidence": jsonable(answer.evidence),
        "steps": answer.steps,
        "seconds": round(answer.seconds, 3),
        "usage": asdict(answer.usage),
        "backend": answer.backend,
        "model": answer.model,
        "interface": answer.interface,
        "run_dir": str(answer.run) if answer.run else "",
        "version": __version__,
        **({"reason": answer.reason} if answer.reason else {}),
    }


def answer_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of `answer_json`."""
    text = files("spatialclaw.traces").joinpath("answer.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
