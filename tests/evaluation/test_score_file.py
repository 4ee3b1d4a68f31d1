"""`spatialclaw benchmarks score`: predictions made elsewhere, read as each benchmark reads them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.evaluation.benchmark import all_benchmarks, find_benchmark
from spatialclaw.evaluation.score_file import lenient_reading
from spatialclaw.evaluation.scorers import REGISTRY

LINES: list[tuple[str, str, Any, Any, dict[str, Any], float | None]] = [
    ("vsi-bench", "object_counting", "4", "3", {}, 0.4),
    ("VSI-Bench", "object_rel_distance", "B. the sofa", "B", {}, 1),
    ("vsti-bench", "camera_movement_direction", "C", "left", {"mc_answer": "C"}, 1),
    ("vsti-bench", "camera_displacement", "1.3", "1.3", {"options": ["A. 1"]}, 1),
    ("spar-bench", "depth_prediction_oc_mv", "from 1 to 3.0", "3.0", {}, 1),
    ("spar-bench", "select", "b) it", "B", {"task": "position_matching"}, 1),
    ("omnispatial", "Perspective_Taking", "Answer: C", 2, {}, 1),
    ("omni3d", "", "0.6", 0.6, {"answer_type": "float"}, 1),
    ("osi-bench", "numerical", "0.2", "0", {"category": "absolute_speed"}, 1),
    ("osi-bench", "mcq", "(A)", "A", {"category": "relative_distance"}, 1),
    ("mindcube", "what_if", None, "C", {}, 0),
    ("spatialtree", "open", "3", "3", {"extra_info": '{"metricfunc": "meanrelativeacc"}'}, 1),
    ("spatialtree", "open", "nice", "x", {"extra_info": '{"metricfunc": "gpteval"}'}, None),
    ("refspatial-bench", "location", "[(0.5, 0.5)]", "", {"mask": [[0, 0], [0, 1]]}, 1),
    ("bop-ask", "pose", "[1, 2]", "[1, 2]", {}, None),
    ("video-mme-v2", "", "G", "G", {}, 1),
    ("spatialeval", "", "three", "3", {"id": "mazenav.vqa.1.0"}, 1),
    ("vilasr-eval", "regression", "<answer>1.9</answer>", "<answer>1.9</answer>", {}, 1),
]


@pytest.fixture(autouse=True)
def _commands() -> None:
    load_commands()


def write(path: Path, lines: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return str(path)


def row(id: str, case: tuple[Any, ...]) -> dict[str, Any]:
    keys = ("benchmark", "question_type", "prediction", "truth", "extra")
    return {"id": id, **dict(zip(keys, case, strict=False))}


def test_each_line_is_scored_by_its_benchmark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(str(i), case) for i, case in enumerate(LINES)]
    assert run_program(["benchmarks", "score", write(tmp_path / "p ä.jsonl", rows)]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in printed] == [str(i) for i in range(len(LINES))]
    for line, case in zip(printed, LINES, strict=True):
        expected = case[-1]
        if expected is None:
            assert line["score"] is None
        else:
            assert line["score"] == pytest.approx(expected), case
        assert "read" in line


def test_a_mask_may_be_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.zeros((100, 200), np.uint8)
    mask[20:60, 50:150] = 255
    data = cv2.imencode(".png", mask)[1].tobytes()
    (tmp_path / "mask.png").write_bytes(data)
    for given in ("mask.png", base64.b64encode(data).decode()):
        case = ("refspatial-bench", "location", "[(0.5, 0.4), (0.9, 0.9)]", "", {"mask": given})
        file = write(tmp_path / "p.jsonl", [row("1", case)])
        assert run_program(["benchmarks", "score", file]) == 0
        assert json.loads(capsys.readouterr().out)["score"] == 0.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1"),
        ('{"id": 1, "benchmark": "vsi-bench"}', "truth"),
        ('{"id": 1, "benchmark": "vsi-bnch", "truth": "A"}', "Did you mean vsi-bench"),
        ('{"id": 1, "benchmark": "refspatial-bench", "truth": ""}', "mask"),
    ],
)
def test_a_bad_line_is_one_line_and_no_half_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (tmp_path / "p.jsonl").write_text(text)
    assert run_program(["benchmarks", "score", str(tmp_path / "p.jsonl")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("reply", "reading"),
    [
        ("<answer>B</answer> no <answer> C </answer>", "C"),
        ("so \\boxed{D}", "D"),
        ("I think the answer is B.", "B"),
        ("It is about 2.5 metres", "2.5"),
        ("C", "C"),
        ("perhaps", "perhaps"),
    ],
)
def test_the_lenient_reading(reply: str, reading: str) -> None:
    assert lenient_reading(reply) == reading


def test_every_benchmark_is_found_by_its_names_and_has_a_known_scorer() -> None:
    found = all_benchmarks()
    assert len(found) >= 26
    for benchmark in found.values():
        for name in (benchmark.name, benchmark.title, *benchmark.aliases):
            assert find_benchmark(name) is benchmark
        if benchmark.rule is not None:
            scorer, _ = benchmark.rule("", {})
            assert scorer in REGISTRY
