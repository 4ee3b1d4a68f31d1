"""A cell asks real models: through the gateway, the service, its worker and the weights on disk."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny_models
from PIL import Image

import spatialclaw
from spatialclaw.perception.adapters import depth_pro, sam2
from spatialclaw.perception.fetch import pull

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture
def weights_here(home, tmp_path, monkeypatch):
    """Tiny SAM 2.1 and Depth Pro in the cache, as `models pull` leaves them."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for make, adapter in (
        (tiny_models.sam2, sam2.Sam2("tiny")),
        (tiny_models.depth_pro, depth_pro.DepthPro()),
    ):
        pull(adapter.info, source=make(tmp_path / adapter.info.name))


def test_a_photo_without_and_with_weights(home, tmp_path, monkeypatch, request):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    photo = tmp_path / "photo.png"
    Image.fromarray(tiny_models.picture(90, 120)).save(photo)
    with spatialclaw.Session(photo) as session:
        said = session.run("print(available())").stdout
        assert "depth: nothing; more: " in said
        failed = session.run("depth(frames[0])")
        assert failed.error is not None
        assert "models pull" in failed.error.message
    request.getfixturevalue("weights_here")
    with spatialclaw.Session(photo) as session:
        assert "depth: depth-pro" in session.run("print(available())").stdout
        made = session.run("d = depth(frames[0]); print(d.method, d.depth.shape)")
        assert made.error is None, made.error
        assert made.stdout.startswith("depth-pro")
        assert "(90, 120)" in made.stdout
        cut = session.run("m = segment(frames[0], points=(40, 50)); print(m.method)")
        assert cut.stdout.strip() == "sam2.1-tiny"
        assert np.isclose(float(session.run("print(m[0].score)").stdout), 0.5, atol=0.5)
        wrong = session.run("depth(frames[0], model='depth-anything-v2-indoor-small')")
        assert "models pull depth-anything-v2-indoor-small" in wrong.error.message
