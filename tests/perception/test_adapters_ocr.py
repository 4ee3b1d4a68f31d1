"""Reading: the real engine with the models in its package, on pictures drawn here."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rapidocr")
pytest.importorskip("onnxruntime")

from PIL import Image, ImageDraw, ImageFont

from spatialclaw.perception.adapter import Adapter, Call
from spatialclaw.perception.adapters.rapidocr import RapidOcr


@pytest.fixture(scope="module")
def reader():
    adapter = RapidOcr()
    assert isinstance(adapter, Adapter)
    assert adapter.available() is None
    adapter.load("cpu")
    yield adapter
    adapter.unload()


def sign(*lines, size=(640, 300), colour=(20, 20, 120)):
    picture = Image.new("RGB", size, (235, 230, 220))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=44)
    for row, line in enumerate(lines):
        draw.text((40, 30 + 90 * row), line, fill=colour, font=font)
    return np.asarray(picture)


def test_what_is_written_is_read_where_it_stands(reader):
    found = reader.run([Call("read_text", [sign("EXIT 42", "Room B-17")])])[0]
    texts = [text.replace(" ", "").lower() for text in found.meta["texts"]]
    assert texts == ["exit42", "roomb-17"]
    quads = found.arrays["quads"]
    assert quads.shape == (2, 4, 2)
    for quad, top in zip(quads, (30, 120), strict=True):
        assert 25 <= quad[:, 0].min() <= 55
        assert abs(quad[:, 1].mean() - (top + 28)) < 15
    assert (found.arrays["scores"] > 0.5).all()


def test_red_and_blue_are_not_swapped(reader, monkeypatch):
    """The engine takes BGR; what it is given is looked at."""
    seen = []
    engine = reader._engine
    monkeypatch.setattr(reader, "_engine", lambda image: seen.append(image) or engine(image))
    image = sign("A", colour=(250, 0, 0))
    reader.run([Call("read_text", [image])])
    np.testing.assert_array_equal(seen[0], image[..., ::-1])


@pytest.mark.parametrize("shape", [(200, 300), (1, 1), (5, 400)])
def test_a_blank_picture_has_no_text(reader, shape):
    found = reader.run([Call("read_text", [np.full((*shape, 3), 200, np.uint8)])])[0]
    assert found.arrays["quads"].shape == (0, 4, 2)
    assert found.meta["texts"] == []


def test_its_version_names_its_weights(reader):
    assert reader.fingerprint()[0].isdigit()
