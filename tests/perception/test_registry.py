"""Which model answers: the best that is here, or the command that brings one."""

from __future__ import annotations

import importlib
import sys
import textwrap

import pytest

from spatialclaw.perception import registry
from spatialclaw.perception.adapter import Adapter
from spatialclaw.perception.fetch import pull
from spatialclaw.primitives.errors import Unavailable


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    registry._discovered.cache_clear()
    yield
    registry._discovered.cache_clear()


def test_every_model_is_an_adapter_with_its_facts():
    known = registry.all_adapters()
    assert {"sam3", "sam2.1-small", "depth-pro", "rapidocr", "grounded-sam2"} <= set(known)
    for name, adapter in known.items():
        assert isinstance(adapter, Adapter)
        assert adapter.info.name == name
        assert adapter.info.licence
        assert adapter.info.packages
        for method in adapter.info.methods:
            assert name in registry.ORDER[method], f"{name} has no rank for {method}"
        if adapter.info.hub:
            assert any(file.name.endswith(".safetensors") for file in adapter.info.files)
            assert not any(file.name.endswith((".bin", ".pt")) for file in adapter.info.files)


def test_nothing_here_names_the_command():
    for method in ("depth", "segment", "segment_text", "detect", "track", "track_text"):
        with pytest.raises(Unavailable, match=r"spatialclaw models pull \S+"):
            registry.choose(method)
        offer = registry.offer(method)
        assert offer.model is None
        assert "spatialclaw models pull" in offer.command
    with pytest.raises(Unavailable, match=r"entry point 'spatialclaw.models'"):
        registry.choose("reconstruct")


def test_without_the_packages_the_command_installs_them_first(monkeypatch):
    from dataclasses import replace

    from spatialclaw.errors import PerceptionError
    from spatialclaw.perception.adapters.sam2 import Sam2

    adapter = Sam2("small")
    adapter.info = replace(adapter.info, packages=("torch", "no_such_package"))
    assert "no_such_package" in adapter.available()
    assert 'pip install "spatialclaw[perception]"' in adapter.available()
    with pytest.raises(PerceptionError, match="pip install"):
        adapter.load("cpu")
    monkeypatch.setitem(registry._discovered()[0], "sam2.1-small", adapter)
    command = registry.offer("segment").command
    assert command == (
        'pip install "spatialclaw[perception]" && spatialclaw models pull sam2.1-small'
    )


def test_wanted_by_name():
    with pytest.raises(Unavailable, match=r"did you mean 'sam2.1-small'"):
        registry.choose("segment", "sam2.1-smal")
    with pytest.raises(Unavailable, match="depth-pro does not segment; it does depth"):
        registry.choose("segment", "depth-pro")
    with pytest.raises(Unavailable, match=r"models pull depth-pro|pip install"):
        registry.choose("depth", "depth-pro")


def test_the_best_of_what_is_here_is_taken(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"x")
    small = registry.find("depth-anything-v2-indoor-small")
    before = registry.revision_of(small)
    pull(small.info, source=folder)
    assert registry.choose("depth").info.name == "depth-anything-v2-indoor-small"
    assert registry.revision_of(small) != before
    pull(registry.find("depth-pro").info, source=folder)
    # Depth Pro takes minutes without a GPU: there the small one stays the first choice.
    monkeypatch.setattr(registry, "_has_gpu", lambda: False)
    assert registry.choose("depth") is small
    monkeypatch.setattr(registry, "_has_gpu", lambda: True)
    assert registry.choose("depth").info.name == "depth-pro"
    assert registry.choose("depth", small.info.name) is small
    assert registry.offer("depth").model == "depth-pro"


def package(tmp_path, monkeypatch, entry):
    """An installed distribution with one entry point, as pip leaves it."""
    (tmp_path / "somebodys_model.py").write_text(
        textwrap.dedent(
            """
            from spatialclaw.perception.adapter import ModelInfo, Output

            class Views:
                info = ModelInfo(name="views", methods=("reconstruct",), licence="MIT")
                def available(self): return None
                def load(self, device): ...
                def unload(self): ...
                def run(self, calls): return [Output({}) for _ in calls]

            def several(): return [Views()]
            nothing = 5
            """
        )
    )
    info = tmp_path / "somebodys_model-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-model\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\nviews = somebodys_model:{entry}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    registry._discovered.cache_clear()


@pytest.mark.parametrize("entry", ["Views", "several"])
def test_models_of_other_packages(tmp_path, monkeypatch, entry):
    package(tmp_path, monkeypatch, entry)
    assert registry.broken() == {}
    assert registry.choose("reconstruct").info.name == "views"
    assert registry.offer("reconstruct").model == "views"
    sys.modules.pop("somebodys_model")


@pytest.mark.parametrize("entry", ["nothing", "absent"])
def test_a_broken_package_is_told_and_takes_nothing_down(tmp_path, monkeypatch, entry):
    package(tmp_path, monkeypatch, entry)
    assert "views" in registry.broken()
    assert "sam3" in registry.all_adapters()
    sys.modules.pop("somebodys_model")
