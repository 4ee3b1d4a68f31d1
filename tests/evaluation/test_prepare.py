"""`spatialclaw benchmarks prepare` against a hub of one's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import SHA, Hub, serving
from layouts import LAYOUTS

pytest.importorskip("huggingface_hub")


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def vsi(tmp_path: Path) -> Iterator[Hub]:
    LAYOUTS["vsi-bench"](tmp_path / "published")
    files = contents(tmp_path / "published") | {"README.md": b"x", "scannetpp_extra.bin": b"y" * 99}
    with serving(Hub("nyu-visionx/VSI-Bench", files)) as hub:
        yield hub


def prepare(hub: Hub | None, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "SPATIALCLAW_BENCHMARKS_CACHE": str(tmp_path / "cache"),
        "PYTHONWARNINGS": "",
    }
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "spatialclaw", "benchmarks", "prepare", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def lock(tmp_path: Path, name: str = "vsi-bench") -> dict[str, object]:
    found: dict[str, object] = json.loads((tmp_path / "cache" / name / "prepared.json").read_text())
    return found


def gets(hub: Hub) -> list[str]:
    """The files that were fetched, in order, with their ranges."""
    return [
        f"{path.rpartition('/')[2]}{' ' + wanted if wanted else ''}"
        for method, path, wanted in hub.log
        if method == "GET" and "/resolve/" in path
    ]


def test_only_what_is_needed_is_fetched_and_then_all_is_offline(vsi: Hub, tmp_path: Path) -> None:
    done = prepare(vsi, tmp_path, "vsi-bench")
    assert done.returncode == 0, done.stderr
    assert sorted(gets(vsi)) == ["arkitscenes.zip", "test.jsonl"]
    assert "vsi-bench: 3 questions" in done.stdout
    assert "3 questions found, 5,130 are published" in done.stdout
    assert lock(tmp_path)["revision"] == SHA
    files = lock(tmp_path)["files"]
    assert isinstance(files, dict)
    assert set(files) == {"arkitscenes.zip", "test.jsonl"}
    assert all(len(entry["sha256"]) == 64 for entry in files.values())

    before = len(vsi.log)
    from spatialclaw.evaluation.data import fetch, load_dataset

    dataset = load_dataset("vsi-bench", cache_dir=tmp_path / "cache")
    assert dataset.revision == SHA
    assert dataset.source == "nyu-visionx/VSI-Bench"
    assert fetch(dataset.rows[0]).media[0].path.is_file()
    assert len(vsi.log) == before


def test_a_second_call_fetches_nothing_and_a_subset_only_its_table(
    vsi: Hub, tmp_path: Path
) -> None:
    assert prepare(vsi, tmp_path, "vsi-bench").returncode == 0
    vsi.log.clear()
    assert prepare(vsi, tmp_path, "vsi-bench").returncode == 0
    assert gets(vsi) == []
    assert prepare(vsi, tmp_path, "vsi-bench@debiased").returncode == 0
    assert gets(vsi) == ["test_debiased.parquet"]


def test_it_goes_on_where_the_connection_broke(vsi: Hub, tmp_path: Path) -> None:
    vsi.files["arkitscenes.zip"] = big_zip()
    vsi.break_after = {"arkitscenes.zip": 15_000_000}
    first = prepare(vsi, tmp_path, "vsi-bench")
    if first.returncode != 0:  # else the hub's library went on by itself
        assert first.returncode == 3, first.stderr
        assert "go on" in first.stderr
        again = prepare(vsi, tmp_path, "vsi-bench")
        assert again.returncode == 0, again.stderr
    parts = [name for name in gets(vsi) if name.startswith("arkitscenes.zip")]
    # The hub's library writes by 10 MiB: what was written is not fetched again.
    assert parts == ["arkitscenes.zip", "arkitscenes.zip bytes=10485760-"]


def big_zip() -> bytes:
    import io
    import zipfile

    from layouts import video

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("arkitscenes/41999999.mp4", video())
        made.writestr("arkitscenes/padding.bin", os.urandom(24_000_000))
    return out.getvalue()


def test_killed_it_goes_on(vsi: Hub, tmp_path: Path) -> None:
    assert prepare(vsi, tmp_path, "vsi-bench").returncode == 0
    whole = tmp_path / "cache" / "vsi-bench" / "data" / "arkitscenes.zip"
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])  # as a power cut leaves it
    vsi.log.clear()
    done = prepare(vsi, tmp_path, "vsi-bench")
    assert done.returncode == 0, done.stderr
    assert whole.read_bytes() == data
    assert "test.jsonl" not in gets(vsi)


def test_a_newer_revision_is_taken_only_on_request(vsi: Hub, tmp_path: Path) -> None:
    assert prepare(vsi, tmp_path, "vsi-bench").returncode == 0
    vsi.older, vsi.sha = vsi.sha, "f" * 40
    vsi.files["test.jsonl"] = vsi.files["test.jsonl"].replace(b"stool", b"chair")
    vsi.large = 10**9  # told apart by what git names it: the size is the same
    vsi.log.clear()
    assert prepare(vsi, tmp_path, "vsi-bench", "--no-check").returncode == 0
    assert lock(tmp_path)["revision"] == SHA
    done = prepare(vsi, tmp_path, "vsi-bench", "--revision", "main")
    assert done.returncode == 0, done.stderr
    assert "takes the place of" in done.stderr
    assert lock(tmp_path)["revision"] == "f" * 40
    assert "test.jsonl" in gets(vsi)
    from spatialclaw.evaluation.data import load_dataset

    rows = load_dataset("vsi-bench", cache_dir=tmp_path / "cache").rows
    assert "chair" in rows[0].question


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "GatedRepo", "asks you to accept its terms"),
        (403, "GatedRepo", "asks you to accept its terms"),
        (404, "RepoNotFound", "no data set nyu-visionx/VSI-Bench"),
        (401, "", "HF_TOKEN"),
    ],
)
def test_no_access(vsi: Hub, tmp_path: Path, status: int, code: str, said: str) -> None:
    vsi.status, vsi.error = status, code
    done = prepare(vsi, tmp_path, "vsi-bench")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_that_fails_or_is_away(vsi: Hub, tmp_path: Path) -> None:
    vsi.status = 501  # not one that the library tries again for a while
    done = prepare(vsi, tmp_path, "vsi-bench")
    assert done.returncode == 3, done.stderr
    away = prepare(None, tmp_path, "vsi-bench")
    assert away.returncode == 3, away.stderr
    for one in (done, away):
        assert "--data-dir" in one.stderr
        assert "Traceback" not in one.stderr


@pytest.mark.parametrize(("status", "code", "exit"), [(501, "", 3), (403, "GatedRepo", 2)])
def test_a_hub_that_names_files_and_does_not_give_them(
    vsi: Hub, tmp_path: Path, status: int, code: str, exit: int
) -> None:
    vsi.files_status, vsi.error = status, code
    done = prepare(vsi, tmp_path, "vsi-bench")
    assert done.returncode == exit, done.stderr
    assert "Traceback" not in done.stderr
    assert ("go on" if exit == 3 else "accept its terms") in done.stderr


def test_an_unknown_revision(vsi: Hub, tmp_path: Path) -> None:
    done = prepare(vsi, tmp_path, "vsi-bench", "--revision", "v9")
    assert done.returncode == 2
    assert "no revision 'v9'" in done.stderr


def test_a_wrong_checksum(vsi: Hub, tmp_path: Path) -> None:
    vsi.spoil = {"arkitscenes.zip"}
    done = prepare(vsi, tmp_path, "vsi-bench")
    assert done.returncode == 2, done.stderr
    assert "wrong checksum" in done.stderr
    assert not (tmp_path / "cache" / "vsi-bench" / "data" / "arkitscenes.zip").exists()
    vsi.spoil = set()
    assert prepare(vsi, tmp_path, "vsi-bench").returncode == 0


def test_too_small_a_disk_is_told_before_anything_is_fetched(vsi: Hub, tmp_path: Path) -> None:
    vsi.sizes = {"arkitscenes.zip": 10**18}
    done = prepare(vsi, tmp_path, "vsi-bench", "--yes")
    assert done.returncode == 2, done.stderr
    assert "free" in done.stderr
    assert gets(vsi) == []


def test_very_much_is_fetched_only_on_request(vsi: Hub, tmp_path: Path) -> None:
    vsi.sizes = {"arkitscenes.zip": 6 * 10**9}
    done = prepare(vsi, tmp_path, "vsi-bench")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert gets(vsi) == []


def test_loose_media_are_fetched_for_the_questions_asked(tmp_path: Path) -> None:
    LAYOUTS["perceptioncomp"](tmp_path / "published")
    files = contents(tmp_path / "published")
    rows = json.loads(files["questions.json"])
    rows += [{**rows[0], "key": str(i), "video_id": f"other_{i}"} for i in range(8)]
    files["questions.json"] = json.dumps(rows).encode()
    clip = files["data/tour_xyz.mp4"]
    files |= {f"data/other_{i}.mp4": clip for i in range(7)} | {"data/unused.mp4": clip}
    with serving(Hub("hrinnnn/PerceptionComp", files)) as hub:
        done = prepare(hub, tmp_path, "perceptioncomp", "--limit", "2")
        assert done.returncode == 0, done.stderr
        assert len([name for name in gets(hub) if name.endswith(".mp4")]) <= 2
        assert "left out" in done.stdout
        done = prepare(hub, tmp_path, "perceptioncomp")
        assert done.returncode == 0, done.stderr
        assert "unused.mp4" not in gets(hub)
        assert "perceptioncomp: 9 questions" in done.stdout
        assert "other_7.mp4 is missing" in done.stdout


def test_archives_stay_closed_where_the_disk_is_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from spatialclaw.evaluation.data.prepare import prepare as prepare_here

    LAYOUTS["vsi-bench"](tmp_path / "copy")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    said: list[str] = []
    done = prepare_here(
        "vsi-bench", data_dir=tmp_path / "copy", cache_dir=tmp_path / "c", tell=said.append
    )
    assert len(done.dataset.rows) == 3
    assert any("are not looked at" in line for line in said)
    assert not list((tmp_path / "c").rglob("*.mp4"))


def test_a_video_that_does_not_decode_is_told(tmp_path: Path) -> None:
    LAYOUTS["perceptioncomp"](tmp_path / "copy")
    rows = json.loads((tmp_path / "copy/questions.json").read_text())
    rows[1]["video_id"] = "broken"
    (tmp_path / "copy/questions.json").write_text(json.dumps(rows))
    (tmp_path / "copy/data/broken.mp4").write_bytes(b"no video at all" * 99)
    done = prepare(None, tmp_path, "perceptioncomp", "--data-dir", str(tmp_path / "copy"))
    assert done.returncode == 0, done.stderr
    assert "perceptioncomp: 1 questions" in done.stdout
    assert "broken.mp4: does not decode" in done.stdout
    from spatialclaw.evaluation.data import load_dataset

    dataset = load_dataset(
        "perceptioncomp", data_dir=tmp_path / "copy", cache_dir=tmp_path / "cache"
    )
    assert len(dataset.rows) == 1
    assert "does not decode" in dataset.missing[0]
