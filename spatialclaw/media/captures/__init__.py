"""Captures: folders that hold pictures together with cameras, depth and poses."""

from __future__ import annotations

from pathlib import Path

from spatialclaw.media.captures.colmap import find_colmap, read_colmap
from spatialclaw.media.captures.nerfstudio import find_nerfstudio, read_nerfstudio
from spatialclaw.media.captures.redwood import is_redwood, read_redwood
from spatialclaw.media.captures.tum import is_tum, read_tum
from spatialclaw.media.model import SequencePlan

__all__ = ["read_capture"]


def read_capture(folder: Path) -> SequencePlan | None:
    """The capture that a folder is, or None when it is a plain folder.

    Raises:
        MediaError: It is a capture and cannot be used.
    """
    transforms = find_nerfstudio(folder)
    if transforms is not None:
        return read_nerfstudio(transforms)
    if is_tum(folder):
        return read_tum(folder)
    model = find_colmap(folder)
    if model is not None:
        return read_colmap(folder, model)
    if is_redwood(folder):
        return read_redwood(folder)
    return None
