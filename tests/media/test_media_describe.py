"""What the model is told about the frames."""

from __future__ import annotations

import json

import numpy as np
from media_samples import picture, save, save_depth, save_video

from spatialclaw.media import load


def test_description_of_one_picture(tmp_path):
    media = load(save(tmp_path / "a.png", picture()), workdir=tmp_path / "run")
    assert media.describe() == (
        '`frames`: 1 frame of images "a.png", 64x48 pixels.\n'
        "- [0] a.png\n- Intrinsics: not known.\n"
    )


def test_description_of_a_video(tmp_path):
    path = save_video(tmp_path / "a.mp4", 30, rotation=90)
    text = load(path, workdir=tmp_path / "run", frames=2).describe()
    assert "number 0 at 0.00 s, [1] number 29 at 2.90 s" in text
    assert "turned upright" in text


def test_description_of_a_capture(tmp_path):
    paths = [
        save(tmp_path / "left.png", picture()),
        save(tmp_path / "right.png", picture(seed=1)),
        save_depth(tmp_path / "left_depth.png", np.full((48, 64), 2.0)),
        tmp_path / "c.json",
    ]
    paths[-1].write_text(json.dumps({"fx": 50, "cx": 31, "cy": 24, "baseline_m": 0.25}))
    text = load(paths, workdir=tmp_path / "run").describe()
    assert "(file): fx 50.0, fy 50.0, cx 31.0, cy 24.0 px" in text
    assert "(left, right) = (0, 1); baseline 0.25 m" in text
    assert "Depth of 1 of the frames" in text
    assert "gravity is not known" in text
    assert str(tmp_path) not in text


def test_long_sequences_are_cut(tmp_path):
    for i in range(30):
        save(tmp_path / "set" / f"{i}.png", picture(16 + i, 16))
    text = load(tmp_path / "set", workdir=tmp_path / "run").describe()
    assert "... (14 more: print([f.name for f in frames]))" in text
    assert "and other sizes" in text
    assert len(text) < 900


def test_template_of_ones_own(tmp_path):
    media = load(save(tmp_path / "a.png", picture()), workdir=tmp_path / "run")

    def render(name, **values):
        return f"{name}: {values['sequences'][0]['count']}"

    assert media.describe(render) == "media: 1\n"
