from __future__ import annotations

import numpy as np
from PIL import Image

from spatialclaw.media import load


def test_a_picture_becomes_a_frame(tmp_path):
    Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(tmp_path / "a b é.png")
    media = load(tmp_path / "a b é.png", workdir=tmp_path / "run")
    (frames,) = media.sequences
    assert frames[0].image.shape == (20, 30, 3)
    assert not frames[0].image.flags.writeable
