"""The cache on disk: many processes, damaged files, a full disk, a bounded size."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from service_home import Home, query

from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.perception import starting
from spatialclaw.perception.cache import ResultCache, result_key
from spatialclaw.perception.client import LocalClient, Shared

MEGABYTE = 1024**2


def key(**changes: object) -> str:
    said = {
        "method": "depth",
        "model": "m",
        "revision": "1",
        "pictures": ["a", "b"],
        "params": {"text": "mug", "points": [[1, 2]]},
        "arrays": {"k": {"dtype": "float32", "shape": [1], "data": b"\0\0\0\0"}},
    }
    return result_key(**{**said, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "segment"},
        {"model": "n"},
        {"revision": "2"},
        {"pictures": ["b", "a"]},
        {"pictures": ["ab"]},
        {"params": {"text": "cup", "points": [[1, 2]]}},
        {"params": {"text": "mug", "points": [1, 2]}},
        {"params": {"text": "mug", "points": [["1", 2]]}},
        {"arrays": {"k": {"dtype": "float32", "shape": [1], "data": b"\0\0\0\1"}}},
        {"arrays": {}},
    ],
)
def test_everything_that_a_result_depends_on_is_in_its_name(changes: dict[str, object]) -> None:
    assert key(**changes) != key()
    assert key(params={"points": [[1, 2]], "text": "mug"}) == key()


def test_kept_and_found_again_by_another_process(tmp_path: Path) -> None:
    ResultCache(tmp_path, MEGABYTE).put("depth", "a/b:c", key(), [b"abc", b"def"])
    found, damaged = ResultCache(tmp_path, MEGABYTE).get("depth", "a/b:c", key())
    assert bytes(found or b"") == b"abcdef"
    assert not damaged
    assert list(tmp_path.rglob(".draft*")) == []


@pytest.mark.parametrize("name", ["..", ".", "../../x", "a/b", "", "x" * 300])
def test_a_name_of_a_model_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    cache = ResultCache(tmp_path / "cache", MEGABYTE)
    assert cache.put(name, name, key(), [b"x"]) is None
    assert (tmp_path / "cache") in cache.path(name, name, key()).resolve().parents
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]
    assert cache.get(name, name, key())[0] is not None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_file_is_found_out_and_removed(tmp_path: Path, damage: str) -> None:
    cache = ResultCache(tmp_path, MEGABYTE)
    cache.put("depth", "m", key(), [b"x" * 5000])
    path = cache.path("depth", "m", key())
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[2000] ^= 1
    elif damage == "cut":
        del data[3000:]
    elif damage == "empty":
        data.clear()
    else:
        data = bytearray(os.urandom(5000))
    path.write_bytes(data)
    assert cache.get("depth", "m", key()) == (None, True)
    assert not path.exists()
    assert cache.get("depth", "m", key()) == (None, False)


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path, MEGABYTE)
    for number in range(8):
        cache.put("depth", "m", f"{number:064d}", [b"x" * 100_000])
        path = cache.path("depth", "m", f"{number:064d}")
        os.utime(path, (time.time() - 1000 + number,) * 2)
    assert cache.get("depth", "m", f"{0:064d}")[0] is not None  # used just now
    for number in range(8, 12):
        cache.put("depth", "m", f"{number:064d}", [b"x" * 100_000])
    assert sum(entry.bytes for entry in cache.entries()) <= MEGABYTE
    assert cache.get("depth", "m", f"{0:064d}")[0] is not None
    assert cache.get("depth", "m", f"{1:064d}")[0] is None
    assert cache.put("depth", "m", "f" * 64, [b"x" * 500_000]) is None  # too large to keep
    assert cache.get("depth", "m", "f" * 64)[0] is None


def test_many_processes_write_and_read_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from spatialclaw.perception.cache import ResultCache\n"
        "cache = ResultCache(Path(sys.argv[1]), 1 << 20)\n"
        "for turn in range(150):\n"
        "    name = f'{turn % 12:064d}'\n"
        "    body = bytes([turn % 12]) * 60_000\n"
        "    assert cache.put('depth', 'm', name, [body]) is None\n"
        "    found, damaged = cache.get('depth', 'm', name)\n"
        "    assert not damaged and (found is None or found == body)\n"
    )
    run = [sys.executable, "-c", code, str(tmp_path)]
    others = [subprocess.Popen(run) for _ in range(3)]
    assert [other.wait(timeout=60) for other in others] == [0, 0, 0]
    assert sum(e.bytes for e in ResultCache(tmp_path, MEGABYTE).entries()) <= 1.2 * MEGABYTE


async def test_a_full_disk_costs_the_keeping_not_the_answer(
    own_home: Home, shared: list[Shared]
) -> None:
    import resource

    client = LocalClient()
    sizes = [
        (await client.call(query("test_edges", [p], threshold=1e6))).info["bytes"]
        for p in shared[:3]
    ]
    await client.aclose()
    starting.stop()
    ResultCache(own_home.cache, MEGABYTE).clear()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    client = LocalClient()
    # The service inherits it: a result may be as large as it is, its file no larger.
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes), limits[1]))
    try:
        first = await client.call(query("test_edges", shared[:1], threshold=1e6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not first.info["cached"]
    second = await client.call(query("test_edges", shared[1:2], threshold=1e6))
    third = await client.call(query("test_edges", shared[2:3], threshold=1e6))
    fourth = await client.call(query("test_edges", shared[:1], threshold=1e6))
    notes = [*second.info["notes"], *third.info["notes"], *fourth.info["notes"]]
    assert len([note for note in notes if "no room is left" in note]) == 1  # said once
    assert not fourth.info["cached"]
    for _ in range(100):  # the last attempt to keep a result may still be under way
        kept = [p for p in own_home.cache.rglob("*") if p.is_file()]
        if not kept:
            break
        await asyncio.sleep(0.05)
    assert kept == []
    state = starting.status()
    assert state is not None
    assert "no room is left" in state["cache"]["trouble"]
    await client.aclose()


async def test_a_damaged_result_is_computed_again_and_that_is_said(
    home: Home, shared: list[Shared]
) -> None:
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    for _ in range(50):
        if files := [p for p in home.cache.rglob("*") if p.is_file()]:
            break
        await asyncio.sleep(0.05)
    (file,) = files
    file.write_bytes(file.read_bytes()[:-7] + b"garbage")
    reply = await client.call(query("test_edges", shared[:1]))
    assert reply.info["notes"] == ["a damaged result was found in the cache and computed again"]
    assert reply.unpack().arrays["masks"].shape == (1, 48, 64)
    assert [x for x in home.runs("test-edges") if x.startswith("run")] == ["run test-edges 1"] * 2
    await client.aclose()


def test_the_command_shows_and_clears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_commands()
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_CACHE", str(tmp_path))
    assert run_program(["cache"]) == 0
    assert capsys.readouterr().out == f"0 B of 10.7 GB in {tmp_path}\n"
    cache = ResultCache(tmp_path, MEGABYTE)
    for number, method in enumerate(["depth", "depth", "segment"]):
        cache.put(method, "model", f"{number:064d}", [b"x" * 10_000])
    old = cache.path("depth", "model", f"{0:064d}")
    os.utime(old, (time.time() - 10 * 86400,) * 2)
    assert run_program(["cache", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(r["method"], r["results"]) for r in said["results"]] == [("depth", 2), ("segment", 1)]
    assert run_program(["cache", "clear", "--older-than", "7d"]) == 0
    assert capsys.readouterr().out == "1 result removed, 10 kB\n"
    assert run_program(["cache", "clear", "--method", "segment"]) == 0
    assert len(list(cache.entries())) == 1
    assert run_program(["cache", "clear", "--older-than", "soon"]) == 2
    assert run_program(["cache", "clear"]) == 0
    assert list(tmp_path.iterdir()) == []
