"""Fixtures of the tests of media."""

from __future__ import annotations

import pytest

from spatialclaw.media import load


@pytest.fixture
def opened(tmp_path):
    """`load` into a folder of its own, giving the only sequence."""

    def run(*paths, **options):
        media = load(list(paths), workdir=tmp_path / "run", **options)
        assert len(media.sequences) == 1
        frames = media.sequences[0]
        frames.media = media
        return frames

    return run
