"""`spatialclaw models` as a user types it."""

from __future__ import annotations

import json
import sys

import pytest
from weights_hub import Hub

from spatialclaw.cli import models as _registers  # noqa: F401
from spatialclaw.cli.app import run_program
from spatialclaw.perception import registry, weights

NAME = "depth-anything-v2-indoor-small"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hub"


@pytest.fixture
def hub(monkeypatch):
    pytest.importorskip("huggingface_hub")
    info = registry.find(NAME).info
    files = {"config.json": b"{}", "model.safetensors": b"x" * 5000, "README.md": b"no"}
    server = Hub(info.hub, files)
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    yield server
    server.close()


def test_list_says_what_is_here_and_what_brings_the_rest(capsys, cache):
    assert run_program(["models", "list"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert "CC-BY-NC-4.0" in lines["depth-anything-v2-indoor-large"]
    assert "asks for an agreement" in lines["sam3"]
    assert f"files: {cache}" in said
    assert f"models pull {NAME}" in lines["depth:"] or "pip install" in lines["depth:"]
    for method in registry.ORDER:
        assert f"{method}:" in lines


def test_list_as_json(capsys):
    assert run_program(["models", "list", "--json"]) == 0
    known = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert known["sam3"]["gated"]
    assert known[NAME]["available"] is False
    assert known[NAME]["reason"]
    assert known[NAME]["cached"].endswith("models--" + known[NAME]["hub"].replace("/", "--"))
    assert all(each["licence"] for each in known.values())
    assert all(each["methods"] for each in known.values())


def test_the_list_imports_no_model():
    """In a process of its own, where nothing was imported before."""
    import subprocess

    code = (
        "import sys; from spatialclaw.perception import registry; registry.offers();"
        "print([m for m in ('torch', 'transformers', 'rapidocr', 'cv2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_pull_check_and_list(capsys, hub):
    assert run_program(["models", "pull", NAME]) == 0
    out = capsys.readouterr().out
    assert f"{NAME}: 2 files, 5 kB, revision cccccccccccc" in out
    assert "licence: Apache-2.0" in out
    assert run_program(["models", "check"]) == 0
    assert capsys.readouterr().out == f"{NAME}: all files are as fetched\n"
    run_program(["models", "list"])
    rows = capsys.readouterr().out.splitlines()
    assert "cccccccccccc" in next(row for row in rows if row.startswith(f"{NAME} "))
    run_program(["models", "list", "--json"])
    known = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert known[NAME]["revision"] == "c" * 40
    assert len(known[NAME]["files"]["model.safetensors"]) == 64


def test_pull_of_a_model_made_of_others_names_its_parts(capsys, hub):
    assert run_program(["models", "pull", "grounded-sam2"]) == 3  # this hub has another model
    assert "IDEA-Research/grounding-dino-tiny" in capsys.readouterr().err


def test_a_failed_check_is_told_and_has_a_status(capsys, hub):
    run_program(["models", "pull", NAME])
    info = registry.find(NAME).info
    real = (weights.folder(info) / "model.safetensors").resolve()
    real.write_bytes(b"y" * 5000)
    capsys.readouterr()
    assert run_program(["models", "check", NAME]) == 3
    assert "sha256" in capsys.readouterr().out
    assert run_program(["models", "check", NAME, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)[0]["ok"] is False


def test_without_a_network_one_line(capsys):
    pytest.importorskip("huggingface_hub")
    assert run_program(["models", "pull", NAME]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"models pull {NAME} --from FOLDER" in said.err
    assert run_program(["models", "pull", NAME, "--offline"]) == 3
    assert "network is switched off" in capsys.readouterr().err


def test_unknown_names_and_contradictions_are_usage_errors(capsys):
    assert run_program(["models", "pull", "depth-anything"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert run_program(["models", "pull", NAME, "--update", "--revision", "abc"]) == 2
    assert run_program(["models", "check", "nothing-like-it"]) == 2


def test_nothing_to_check_is_said(capsys):
    assert run_program(["models", "check"]) == 0
    assert "models list" in capsys.readouterr().out
