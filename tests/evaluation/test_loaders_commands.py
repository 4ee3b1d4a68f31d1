"""`spatialclaw benchmarks list|show|score`, figures of others, and benchmarks of one's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from layouts import LAYOUTS, jpeg, jsonl, mask, put

from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.errors import UsageError
from spatialclaw.evaluation import benchmark as module
from spatialclaw.evaluation.benchmark import all_benchmarks, find_benchmark, use_folder
from spatialclaw.evaluation.data import load_dataset, resolve_name
from spatialclaw.evaluation.published import published, published_lines

MINE = '''
from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data import Source, forms
from spatialclaw.evaluation.data.build import make_row


def rule(question_type, extra):
    """The option that is meant."""
    return "choice", {"options": extra["options"]}


def row(record, files):
    options = forms.options(record["options"])
    return make_row(
        record,
        uid=record["id"],
        question=record.text("question"),
        truth=forms.choice(record["answer"], options),
        media=[files.medium(record["image"])],
        options=options,
        extra={"options": options},
    )


BENCHMARK = Benchmark(
    name="my-doors", title="Doors", hub="me/doors", rule=rule, row=row,
    source=Source(tables=("doors.jsonl",), media=("images/*",)),
)
'''


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    load_commands()
    monkeypatch.setenv("SPATIALCLAW_BENCHMARKS_CACHE", str(tmp_path / "cache"))
    yield
    module._FOLDERS.clear()
    all_benchmarks.cache_clear()


def doors(folder: Path) -> Path:
    rows = [
        {"id": i, "question": "Which?", "options": ["left", "right"], "answer": "right"}
        | {"image": "images/d.jpg"}
        for i in range(2)
    ]
    jsonl(folder / "doors.jsonl", rows)
    put(folder / "images" / "d.jpg", jpeg())
    return folder


def test_a_benchmark_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "mine" / "doors.py", MINE)
    use_folder(tmp_path / "mine")
    use_folder(tmp_path / "mine")  # twice is once
    dataset = load_dataset("My-Doors", data_dir=doors(tmp_path / "d"), cache_dir=tmp_path / "c")
    assert [row.truth.value for row in dataset.rows] == ["B", "B"]
    arguments = ["benchmarks", "list", "--benchmarks-dir", str(tmp_path / "mine")]
    assert run_program(arguments) == 0
    assert "my-doors" in capsys.readouterr().out
    arguments = ["benchmarks", "prepare", "my-doors", "--data-dir", str(tmp_path / "d")]
    assert run_program([*arguments, "--benchmarks-dir", str(tmp_path / "mine")]) == 0
    assert "my-doors: 2 questions" in capsys.readouterr().out
    line: dict[str, Any] = {"id": "0", "benchmark": "my-doors", "prediction": "right", "truth": "B"}
    put(
        tmp_path / "p.jsonl", json.dumps(line | {"extra": {"options": {"A": "left", "B": "right"}}})
    )
    assert run_program(["benchmarks", "score", str(tmp_path / "p.jsonl")]) == 0
    assert json.loads(capsys.readouterr().out)["score"] == 1.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINE.replace("my-doors", "ERQA"), "a benchmark named 'erqa' is already in"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1", "no benchmark in"),
    ],
)
def test_bad_benchmarks_of_ones_own(text: str, said: str, tmp_path: Path) -> None:
    put(tmp_path / "mine" / "doors.py", text)
    for _ in range(2):
        with pytest.raises(UsageError, match=said):
            use_folder(tmp_path / "mine")
    assert find_benchmark("erqa").hub == "FlagEval/ERQA"
    with pytest.raises(UsageError, match="is no folder"):
        use_folder(tmp_path / "nowhere")


def test_benchmarks_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("b", "spatialclaw.benchmarks.blink:BENCHMARK", "spatialclaw.benchmarks")]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    all_benchmarks.cache_clear()
    with pytest.raises(UsageError, match="the entry point b: a benchmark named 'blink' is already"):
        all_benchmarks()
    points[0] = EntryPoint("b", "json:dumps", "spatialclaw.benchmarks")
    with pytest.raises(UsageError, match="the entry point b is no Benchmark"):
        all_benchmarks()
    points[0] = EntryPoint("b", "no_such_module:x", "spatialclaw.benchmarks")
    with pytest.raises(UsageError, match="the entry point b fails: ModuleNotFoundError"):
        all_benchmarks()


def test_no_two_benchmarks_share_a_name_or_alias() -> None:
    keys: list[str] = []
    for b in all_benchmarks().values():
        names = (b.name, b.title, *b.aliases)
        keys += {"".join(c for c in name.lower() if c.isalnum()) for name in names}
    assert len(set(keys)) == len(keys)
    for benchmark in all_benchmarks().values():
        for subset in (benchmark.source.subsets if benchmark.source else {}).values():
            for alias in subset.aliases:
                assert resolve_name(alias)[0].name == benchmark.name


@pytest.mark.parametrize("name", [*LAYOUTS, "vsi-bench@debiased", "custom", "spatial-synth"])
def test_show(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["benchmarks", "show", name]) == 0
    shown = capsys.readouterr().out
    assert f"name      {name}\n" in shown
    assert "scoring" in shown
    if name in LAYOUTS:
        assert "tables" in shown
        assert "huggingface.co/datasets/" in shown


def test_published_figures_name_benchmarks_that_there_are() -> None:
    data = module.importlib.import_module("spatialclaw.evaluation.published")._data()
    names = set(data["figures"])
    for table in data["table"]:
        for how in ("alone", "agent"):
            for name, values in table.get(how, {}).items():
                names.add(name)
                assert len(values) == len(table["models"])
    for name in names:
        benchmark, subset = resolve_name(name)
        assert name == (f"{benchmark.name}@{subset}" if subset else benchmark.name)
        assert all(0 <= figure.percent <= 100 for figure in published(name))


def test_the_published_averages_are_those_of_their_columns() -> None:
    # The paper's own averages over its twenty benchmarks, alone and as an agent.
    data = module.importlib.import_module("spatialclaw.evaluation.published")._data()
    expected = {
        "alone": [57.3, 53.7, 52.6, 55.0, 53.4, 48.0],
        "agent": [60.4, 56.9, 57.2, 62.7, 59.9, 54.3],
    }
    for how, averages in expected.items():
        columns = list(zip(*data["table"][0][how].values(), strict=True))
        assert [len(column) for column in columns] == [20] * 6
        for column, average in zip(columns, averages, strict=True):
            assert sum(column) / 20 == pytest.approx(average, abs=0.051)


def test_published_lines_keep_metrics_apart() -> None:
    lines = published_lines("dsi-bench", most=2)
    assert [line.split(":")[0] for line in lines] == ["mean", "group-wise", "sample-wise"]
    assert published_lines("custom") == []


def score(tmp_path: Path, lines: list[dict[str, Any]]) -> dict[str, Any]:
    put(tmp_path / "p.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "figures.json"
    arguments = ["benchmarks", "score", str(tmp_path / "p.jsonl"), "--summary", str(out)]
    assert run_program(arguments) == 0
    found: dict[str, Any] = json.loads(out.read_text())["benchmarks"]
    return found


def line(
    benchmark: str, id: str, kind: str, reply: Any, truth: str, **extra: Any
) -> dict[str, Any]:
    return {
        "id": id,
        "benchmark": benchmark,
        "question_type": kind,
        "prediction": reply,
        "truth": truth,
        "extra": extra,
    }


def test_figures_of_scored_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = score(
        tmp_path,
        [
            line("vsi-bench", "1", "object_rel_direction_easy", "A", "A"),
            line("vsi-bench", "2", "object_rel_direction_easy", "A", "A"),
            line("vsi-bench", "3", "object_rel_distance", "A", "B"),
            line("vsi-bench", "4", "object_counting", "many", "3"),
            line("vsi-bench", "5", "object_counting", None, "3"),
            line("MindCube", "translation_group1_q1", "", "A.", "A"),
            line("MindCube", "among_group1_q1", "", "A.", "B"),
            line("bop-ask", "1", "", "x", "x"),
            *(line("dsi", f"{v}/0007", "", "<answer>A</answer>", "A") for v in ("std", "hflip")),
            line("dsi", "reverse/0007", "", "<answer>A</answer>", "A"),
            line("dsi", "reverse_hflip/0007", "", "<answer>A</answer>", "B"),
        ],
    )
    vsi = found["vsi-bench"]
    assert (vsi["questions"], vsi["no_answer"], vsi["unreadable"], vsi["open"]) == (5, 1, 1, 0)
    assert vsi["mean"] == pytest.approx(40.0)
    assert vsi["official"]["mean of eight tasks"] == pytest.approx(100 / 3)
    assert found["mindcube"]["official"] == {"pooled without translation": 0.0}
    assert found["bop-ask"]["open"] == 1
    assert found["bop-ask"]["mean"] is None
    assert found["dsi-bench"]["official"]["group-wise (1 whole groups)"] == 100.0
    assert found["dsi-bench"]["official"]["sample-wise"] == 75.0
    said = capsys.readouterr()
    assert "vsi-bench: 5 questions, 1 without an answer, 1 unreadable, mean 40.00" in said.err
    assert len(said.out.splitlines()) == 12


def test_several_are_prepared_even_if_one_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    LAYOUTS["mmsi-bench"](tmp_path)
    names = ["vsi-bench", "mmsi-bench", "nonsense"]
    assert run_program(["benchmarks", "prepare", *names, "--data-dir", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "mmsi-bench: 4 questions" in said.out
    assert "vsi-bench: no test.jsonl" in said.err
    assert "no benchmark 'nonsense'" in said.err


@pytest.mark.parametrize("gone", ["huggingface_hub", "pyarrow"])
def test_what_is_not_installed_is_said(
    gone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    LAYOUTS["mmsi-bench"](tmp_path)
    monkeypatch.setitem(module.sys.modules, gone, None)
    copy = ["--data-dir", str(tmp_path)] if gone == "pyarrow" else []
    assert run_program(["benchmarks", "prepare", "mmsi-bench", *copy]) == 2
    said = capsys.readouterr().err
    assert gone in said
    assert "spatialclaw[eval]" in said


def test_spatialtree_predictions_with_the_columns_of_the_data(tmp_path: Path) -> None:
    card = {"lamp": {"position": [2, 5]}, "sofa": {"position": [5, 5]}}

    def tree(id: str, metric: str, reply: str, truth: str, **hint: Any) -> dict[str, Any]:
        info = json.dumps({"metricfunc": metric, "spatree0": "L2"})
        return line("spatialtree", id, "open", reply, truth, extra_info=info, hint=json.dumps(hint))

    lines = [
        tree("1", "cogmapeval", f"B. {json.dumps(card)}", "B", cogmap=card, id_type="among"),
        tree("2", "affmask", "[0.5, 0.4]", base64.b64encode(mask()).decode()),
        tree("3", "gravityeval", '{"roll": 1, "pitch": 2, "vfov": 60}', GRAVITY, **SIGMAS),
    ]
    found = score(tmp_path, lines)["spatialtree-bench"]
    assert found["mean"] == pytest.approx(100.0)


GRAVITY = json.dumps({"roll": 1, "pitch": 2, "vfov": 60})
SIGMAS = {"roll_unc": 1, "pitch_unc": 1, "vfov_unc": 2}
