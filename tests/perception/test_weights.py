"""Weights: fetched once, locked, compared ever after; and what is said when something is wrong."""

from __future__ import annotations

import json
import os

import pytest
from weights_hub import COMMIT, Hub

from spatialclaw.errors import PerceptionError
from spatialclaw.perception import weights
from spatialclaw.perception.adapter import ModelFile, ModelInfo
from spatialclaw.perception.adapters.common import hub_files
from spatialclaw.perception.fetch import pull

INFO = ModelInfo(
    name="tiny-model", methods=("depth",), hub="someone/tiny-model", files=hub_files("vocab.txt")
)
FILES = {
    "config.json": b'{"model_type": "tiny"}',
    "model.safetensors": bytes(range(256)) * 4096,
    "vocab.txt": b"a\nb\n",
    "README.md": b"not wanted",
    "model.pt": b"a pickle, not wanted",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "hub"


@pytest.fixture
def carried(tmp_path):
    """A folder as somebody carries it to a machine without a network."""
    folder = tmp_path / "carried"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def hub(monkeypatch):
    pytest.importorskip("huggingface_hub")
    server = Hub(INFO.hub, dict(FILES))
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    yield server
    server.close()


def damaged(path):
    """Another byte, the same size, a later time: as a failing disk or a careless hand leaves it."""
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    real = path.resolve()
    real.chmod(0o644)
    real.write_bytes(content)
    os.utime(real, ns=(1, real.stat().st_mtime_ns + 10**9))


def test_absent_weights_say_the_command():
    assert "spatialclaw models pull tiny-model" in weights.installed(INFO)
    with pytest.raises(PerceptionError, match=r"spatialclaw models pull tiny-model"):
        weights.folder(INFO)
    assert weights.check(INFO) == [weights.installed(INFO)]


def test_from_a_folder_takes_what_is_wanted_and_no_more(carried):
    lock = pull(INFO, source=carried)
    assert set(lock.files) == {"config.json", "model.safetensors", "vocab.txt"}
    here = weights.folder(INFO)
    assert (here / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not (here / "model.pt").exists()
    assert weights.installed(INFO) is None
    assert weights.check(INFO) == []
    # The same bytes have the same revision; other bytes another.
    assert pull(INFO, source=carried).revision == lock.revision
    before = weights.fingerprint(INFO)
    (carried / "vocab.txt").write_bytes(b"c\n")
    assert pull(INFO, source=carried).revision != lock.revision
    assert weights.fingerprint(INFO) != before


def test_pickles_are_refused(carried):
    (carried / "model.safetensors").unlink()
    with pytest.raises(PerceptionError, match=r"no safetensors.*model.pt is a pickle"):
        pull(INFO, source=carried)


def test_a_folder_that_is_none():
    from pathlib import Path

    with pytest.raises(PerceptionError, match=r"not a folder"):
        pull(INFO, source=Path("/nowhere/at/all"))


def test_a_changed_byte_is_found_by_the_load_and_by_the_check(carried):
    pull(INFO, source=carried)
    damaged(weights.folder(INFO) / "model.safetensors")
    assert weights.installed(INFO) is None  # sizes agree
    (problem,) = weights.check(INFO)
    assert "model.safetensors" in problem
    with pytest.raises(PerceptionError, match=r"sha256 differs.*models pull tiny-model"):
        weights.folder(INFO)
    pull(INFO, source=carried)
    assert weights.check(INFO) == []


def test_a_byte_changed_without_a_trace_is_found_by_the_check(carried):
    pull(INFO, source=carried)
    path = weights.folder(INFO) / "model.safetensors"
    then = path.stat().st_mtime_ns
    damaged(path)
    os.utime(path, ns=(then, then))
    assert len(weights.check(INFO)) == 1


def test_a_copied_cache_costs_a_digest_and_works(carried):
    lock = pull(INFO, source=carried)
    path = weights.folder(INFO) / "model.safetensors"
    os.utime(path, ns=(1, 10**18))
    assert weights.folder(INFO) == path.parent
    kept = weights.read_lock(INFO)
    assert kept.files["model.safetensors"].mtime_ns == 10**18
    assert kept.files["config.json"] == lock.files["config.json"]


def test_a_missing_and_a_short_file_are_told(carried):
    pull(INFO, source=carried)
    path = weights.folder(INFO) / "vocab.txt"
    path.write_bytes(b"a")
    assert "vocab.txt of tiny-model is missing or damaged" in weights.installed(INFO)
    path.unlink()
    assert "vocab.txt of tiny-model is missing or damaged" in weights.installed(INFO)


def test_a_broken_lock_is_told(carried):
    pull(INFO, source=carried)
    weights.lock_path(INFO).write_text("{")
    assert "cannot be read" in weights.installed(INFO)


def test_digest_of_this_version_binds(carried):
    from dataclasses import replace

    known = (*INFO.files, ModelFile("vocab.txt", sha256="0" * 64))
    with pytest.raises(PerceptionError, match=r"vocab.txt.*in this version"):
        pull(replace(INFO, files=known), source=carried)
    assert weights.read_lock(INFO) is None


def test_from_the_hub(hub):
    lines = []
    lock = pull(INFO, progress=lines.append)
    assert lock.revision == COMMIT
    assert lock.source == hub.address
    assert sorted(hub.fetched) == ["config.json", "model.safetensors", "vocab.txt"]
    assert any("model.safetensors (1.0 MB)" in line for line in lines)
    assert weights.check(INFO) == []
    # Again: nothing is fetched twice; and the hub may be gone for loading.
    hub.fetched.clear()
    pull(INFO)
    assert hub.fetched == []
    hub.down = True
    assert weights.folder(INFO).name == COMMIT


def test_the_first_commit_is_kept_until_another_is_asked_for(hub):
    pull(INFO)
    hub.commit = "d" * 40
    hub.files["vocab.txt"] = b"new"
    with pytest.raises(PerceptionError, match=r"no such revision"):
        pull(INFO)  # the pinned commit, which this hub no longer has
    assert weights.read_lock(INFO).revision == COMMIT
    assert pull(INFO, revision="main").revision == "d" * 40
    assert weights.check(INFO) == []


def test_an_interrupted_fetch_goes_on_where_it_stopped(hub):
    hub.cut["model.safetensors"] = 300_000
    with pytest.raises(PerceptionError, match=r"what came is kept"):
        pull(INFO)
    assert weights.read_lock(INFO) is None
    hub.down = False
    pull(INFO)
    assert any(asked.startswith("bytes=") and asked != "bytes=0-" for asked in hub.ranges)
    assert weights.check(INFO) == []


def test_wrong_bytes_from_the_hub_are_not_kept(hub):
    hub.stated["model.safetensors"] = {"sha256": "a" * 64}
    with pytest.raises(PerceptionError, match=r"digest.*on the hub it was aaaaaaaaaaaa"):
        pull(INFO)
    assert weights.read_lock(INFO) is None
    hub.stated.clear()
    pull(INFO)
    assert weights.check(INFO) == []


def test_a_small_file_is_compared_too(hub):
    hub.stated["config.json"] = {"blobId": "b" * 40}
    with pytest.raises(PerceptionError, match=r"config.json"):
        pull(INFO)


def test_a_damaged_file_is_fetched_again(hub):
    pull(INFO)
    damaged(weights.folder(INFO) / "model.safetensors")
    hub.fetched.clear()
    pull(INFO)
    assert hub.fetched == ["model.safetensors"]
    assert weights.check(INFO) == []


def test_a_hub_cannot_write_elsewhere(hub, cache):
    """Names and commits come from whoever HF_ENDPOINT names."""
    hub.files["model/../../../../evil.safetensors"] = b"evil"
    pull(INFO)
    assert "model/../../../../evil.safetensors" not in weights.read_lock(INFO).files
    assert not list(cache.parent.rglob("*evil*"))
    hub.commit = "../../../../../elsewhere"
    with pytest.raises(PerceptionError, match="as the commit of"):
        pull(INFO, revision="main")
    hub.commit = COMMIT
    hub.stated["model.safetensors"] = {"sha256": "../../../../evil"}
    with pytest.raises(PerceptionError, match="no safetensors"):
        pull(INFO, revision="main")


@pytest.mark.parametrize("difference", [-1000, 1000])
def test_a_size_that_is_not_true_ends_the_fetch(hub, difference):
    hub.stated["model.safetensors"] = {"size": len(FILES["model.safetensors"]) + difference}
    with pytest.raises(PerceptionError, match=r"not the .* bytes that the hub lists"):
        pull(INFO)
    hub.stated.clear()
    pull(INFO)
    assert weights.check(INFO) == []


def test_no_room_is_said_before_anything_is_fetched(hub):
    hub.stated["model.safetensors"] = {"size": 10**17}
    with pytest.raises(PerceptionError, match=r"needs 100000.0 TB.*HF_HUB_CACHE"):
        pull(INFO)
    assert hub.fetched == []


def test_an_agreement_is_asked_for_in_one_line(hub):
    hub.gated = True
    with pytest.raises(PerceptionError, match=r"agreement.*HF_TOKEN"):
        pull(INFO)


def test_no_network_is_one_line(hub):
    hub.down = True
    with pytest.raises(PerceptionError, match=r"could not be fetched.*--from FOLDER") as told:
        pull(INFO)
    assert "\n" not in str(told.value)


def test_switched_off_network_uses_what_is_there(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PerceptionError, match=r"network is switched off"):
        pull(INFO)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    pull(INFO)
    weights.lock_path(INFO).unlink()  # as when another program had filled the cache
    refs = weights.place(INFO) / "refs"
    refs.mkdir(exist_ok=True)
    (refs / "main").write_text(COMMIT)
    hub.fetched.clear()
    assert pull(INFO, offline=True).revision == COMMIT
    assert hub.fetched == []
    assert weights.check(INFO) == []


def test_the_cache_is_where_the_hub_has_it(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    assert weights.hub_cache() == tmp_path / "home" / "hub"


def test_the_lock_is_plain_json(carried):
    pull(INFO, source=carried)
    said = json.loads(weights.lock_path(INFO).read_text())
    assert said["hub"] == INFO.hub
    assert len(said["files"]["vocab.txt"]["sha256"]) == 64
