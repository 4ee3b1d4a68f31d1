"""The Ray engine: the same table as one process, though a worker dies on the way."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from evaluation.evaluation_samples import write_questions

from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.evaluation.ray_engine import pack, unpack

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_folder_travels_whole(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "images").mkdir(parents=True)
    (run / "images" / "a.jpg").write_bytes(b"\xff\xd8")
    (run / "events.jsonl").write_text("{}\n")
    unpack(pack(run), tmp_path / "there" / "q1.e0")
    assert (tmp_path / "there" / "q1.e0" / "images" / "a.jpg").read_bytes() == b"\xff\xd8"
    assert len(list((tmp_path / "there").iterdir())) == 1


def test_an_archive_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar.gz"
    (tmp_path / "x").write_text("x")
    with tarfile.open(bad, "w:gz") as archive:
        archive.add(tmp_path / "x", arcname="../../outside")
    with pytest.raises(tarfile.TarError):
        unpack(bad.read_bytes(), tmp_path / "there" / "q1")
    assert not (tmp_path / "there" / "q1").exists()
    assert not (tmp_path.parent / "outside").exists()


def test_without_ray_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_commands()
    monkeypatch.setitem(sys.modules, "ray", None)
    questions = write_questions(tmp_path / "data", 2)
    arguments = ["eval", str(questions), "--out", str(tmp_path / "out"), "--engine", "ray"]
    assert run_program([*arguments, "--backend", "builtin"]) == 2
    said = capsys.readouterr().err
    assert 'pip install "spatialclaw[cluster]"' in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_lost_worker_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-m", "spatialclaw.benchmarks.performance.eval_ray", "--questions", "40",
         "--interface", "direct", "--latency", "0.5"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same table: True; same result of every question: True" in done.stdout


@pytest.mark.slow
def test_perception_as_deployments() -> None:
    pytest.importorskip("ray.serve")
    done = subprocess.run(
        [sys.executable, "-m", "evaluation.ray_serve_check"],
        cwd=ROOT / "tests", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("batched", "refused", "replicas", "missing"):
        assert word in done.stdout
