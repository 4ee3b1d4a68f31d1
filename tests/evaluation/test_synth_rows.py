"""spatial-synth as a benchmark: drawn once, the same every time, degraded on request."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialclaw.benchmarks import spatial_synth
from spatialclaw.errors import UsageError
from spatialclaw.evaluation.data import load_dataset
from spatialclaw.evaluation.replies import written_reply
from spatialclaw.evaluation.score_file import Prediction, score_prediction


def test_it_is_drawn_once_and_its_truth_scores_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spatial_synth, "WIDTH", 240)
    said: list[str] = []
    dataset = load_dataset("spatial-synth@n=12,seed=3", cache_dir=tmp_path, tell=said.append)
    assert len(dataset.rows) == 12
    assert dataset.missing == []
    assert said
    for row in dataset.rows:
        assert row.benchmark == "spatial-synth@n=12,seed=3"
        assert all(medium.path.exists() for medium in row.media)
        line = Prediction(
            id=row.uid,
            benchmark=row.benchmark,
            question_type=row.task,
            prediction=written_reply(row, row.truth.value),
            truth=row.truth.text,
            extra=dict(row.extra),
        )
        assert score_prediction(line)["score"] == 1.0

    def never(*_: object, **__: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(spatial_synth, "make", never)
    again = load_dataset("spatial-synth@seed=3,n=12", cache_dir=tmp_path, tell=said.append)
    assert [row.uid for row in again.rows] == [row.uid for row in dataset.rows]
    assert again.revision == dataset.revision


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (500, 0, "none")),
        ("degraded", (500, 0, "medium")),
        ("heavy", (500, 0, "heavy")),
        ("n=7, seed=2 ,degrade=light", (7, 2, "light")),
    ],
)
def test_options(text: str, expected: tuple[int, int, str]) -> None:
    assert spatial_synth.options(text) == expected


@pytest.mark.parametrize("text", ["n=x", "n=-1", "size=3", "degrade=lots", "worse"])
def test_options_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"option|degradation"):
        spatial_synth.options(text)
