"""Scores predictions that were made elsewhere."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.benchmark import find_benchmark
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.scorers import Scored, score

__all__ = ["Prediction", "figures", "lenient_reading", "read_predictions", "score_prediction"]

Reading = Literal["official", "lenient"]


class Prediction(BaseModel):
    """One line of a file of predictions.

    Attributes:
        id: Of the question.
        benchmark: Its name.
        question_type: As in the data, or "".
        prediction: What was replied, untouched; empty or null when there was no answer.
        truth: The true answer as in the data.
        extra: The other columns of the row that its scorer reads, by their names in the data.
    """

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str
    benchmark: str
    question_type: str | None = ""
    prediction: Any = None
    truth: Any
    extra: Annotated[dict[str, Any] | None, Field(default=None)]


def read_predictions(path: Path) -> Iterator[Prediction]:
    """The lines of a file of predictions.

    Raises:
        UsageError: The file or one of its lines cannot be read; says which.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield Prediction.model_validate(json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UsageError(
                f"{path}, line {number}: {where}: {first['msg'].lower()}",
                hint="Each line holds id, benchmark, question_type, prediction, truth, extra.",
            ) from error
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: not JSON: {error}") from error


def score_prediction(
    prediction: Prediction, *, reading: Reading = "official", folder: Path | None = None
) -> dict[str, Any]:
    """Scores one prediction as its benchmark's own code does.

    Args:
        prediction: The line.
        reading: "official", or "lenient": the reply is first cut by `lenient_reading`.
        folder: Where masks named by path lie.

    Returns:
        ``id``, ``score`` 0..1 (None when the benchmark's rule is not known), ``read`` (what was
        read; None when nothing could be), ``scorer``.

    Raises:
        UsageError: The benchmark is unknown, or a column that its scorer needs is missing.
    """
    benchmark = find_benchmark(prediction.benchmark)
    kind, extra = prediction.question_type or "", prediction.extra or {}
    if benchmark.rule is None:
        return {"id": prediction.id, "score": None, "read": None, "scorer": "open"}
    name, args = benchmark.rule(kind, {"answer": prediction.truth, **extra})
    if name == "open":
        return {"id": prediction.id, "score": None, "read": None, "scorer": "open"}
    if "mask" in args:
        args = {**args, "mask": _mask(args["mask"], prediction.id, folder)}
    reply = "" if prediction.prediction is None else _text(prediction.prediction)
    if reading == "lenient":
        reply = lenient_reading(reply)
    truth = benchmark.truth(_text(prediction.truth), kind, extra)
    try:
        scored: Scored = score(name, reply, truth, args)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(
            f"question {prediction.id} of {benchmark.name}: the scorer {name} cannot use its truth "
            f"or columns ({type(error).__name__}: {error})",
            hint=f"`spatialclaw benchmarks show {benchmark.name}` says what it reads.",
        ) from error
    return {"id": prediction.id, "score": scored.score, "read": scored.read, "scorer": name}


def figures(
    predictions: Sequence[Prediction], scored: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The figures of each benchmark of a file of predictions.

    Args:
        predictions: The lines.
        scored: What `score_prediction` made of each.

    Returns:
        By benchmark: ``questions``; ``no_answer`` (score 0); ``unreadable`` (an answer was given
        and nothing could be read in it: score 0); ``open`` (its rule is not known: no score);
        ``mean`` over those scored and ``official``, the figures of its authors, all in percent.
    """
    grouped: dict[str, list[tuple[Prediction, Mapping[str, Any]]]] = defaultdict(list)
    for prediction, line in zip(predictions, scored, strict=True):
        benchmark = find_benchmark(prediction.benchmark).name
        subset = prediction.benchmark.partition("@")[2]
        grouped[f"{benchmark}@{subset}" if subset else benchmark].append((prediction, line))
    return {name: _figures(name, lines) for name, lines in grouped.items()}


def _figures(name: str, lines: Sequence[tuple[Prediction, Mapping[str, Any]]]) -> dict[str, Any]:
    from spatialclaw.evaluation.official import official_figures

    counted = [
        (_result(name, prediction), float(line["score"]))
        for prediction, line in lines
        if line["score"] is not None
    ]
    silent = [p.prediction is None or not _text(p.prediction).strip() for p, _ in lines]
    return {
        "questions": len(lines),
        "no_answer": sum(silent),
        "unreadable": sum(
            line["read"] is None and line["score"] is not None and not quiet
            for (_, line), quiet in zip(lines, silent, strict=True)
        ),
        "open": len(lines) - len(counted),
        "mean": 100 * sum(s for _, s in counted) / len(counted) if counted else None,
        "official": official_figures(name, counted),
    }


def _result(name: str, prediction: Prediction) -> Result:
    """What the figures of a benchmark's authors need of a question."""
    extra = prediction.extra or {}
    info = extra.get("extra_info")
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except ValueError:
            info = None
    info = info if isinstance(info, dict) else {}
    # Some settings are told by the id alone (MindCube), some by the column task (SPAR).
    pieces = re.split(r"[_/]", prediction.id)
    return Result(
        benchmark=name,
        uid=prediction.id,
        epoch=0,
        outcome="answered",
        task=str(extra.get("task") or prediction.question_type or ""),
        tags={f"id {i}": piece for i, piece in enumerate(pieces)},
        group_path=tuple(str(info[key]) for key in sorted(info) if key.startswith("spatree")),
        extra=extra,
    )


def lenient_reading(reply: str) -> str:
    """What a reply most plainly says, the same for every benchmark.

    The last ``<answer>``, else the last box, else what follows "answer is" or "answer:", else its
    only lone letter or number, else all of it.
    """
    tags = re.findall(r"<answer>(.*?)</answer>", reply, re.DOTALL | re.IGNORECASE)
    if tags:
        return str(tags[-1]).strip()
    boxes = re.findall(r"boxed\{([^{}]*)\}", reply)
    if boxes:
        return str(boxes[-1]).strip()
    said = re.findall(r"answer\s*(?:is|:)\s*:?\s*([^\n]+)", reply, re.IGNORECASE)
    text = str(said[-1]) if said else reply
    lone = set(re.findall(r"(?<![A-Za-z])([A-H])(?![A-Za-z'])", text))
    if len(lone) == 1:
        return str(lone.pop())
    numbers = re.findall(r"-?\d+(?:\.\d+)?", text)
    return numbers[0] if len(numbers) == 1 else text.strip().rstrip(".")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _mask(value: Any, id: str, folder: Path | None) -> npt.NDArray[np.float64]:
    """A mask given as rows of numbers, as an encoded picture in base64, or as a file beside."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, list):
        return np.asarray(value, dtype=np.float64)
    if not isinstance(value, str):
        raise UsageError(f"question {id}: no mask", hint='Give "mask" in extra.')
    import cv2

    path = (folder or Path()) / value if len(value) < 500 else None
    try:
        data = (
            path.read_bytes()
            if path is not None and path.is_file()
            else base64.b64decode(value.partition("base64,")[2] or value, validate=True)
        )
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, binascii.Error, cv2.error) as error:
        raise UsageError(f"question {id}: the mask cannot be read: {error}") from error
    if picture is None:
        raise UsageError(f"question {id}: the mask is no picture")
    return np.asarray(picture, dtype=np.float64)
