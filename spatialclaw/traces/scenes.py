"""The scenes of a run, read from its folder and checked again: a record may come from anyone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from spatialclaw.kernel.scene import BadScene, check_cloud, check_scene
from spatialclaw.traces.read import Run

__all__ = ["read_cloud", "read_scene", "scene_files"]

_NAME = re.compile(r"scenes/[0-9a-f]{20}\.json")
_MOST_BYTES = 2_000_000


def read_scene(run: Run, name: str) -> dict[str, Any] | None:
    """A scene of a run; None when it is missing or malformed."""
    try:
        return check_scene(_json(run, name))
    except BadScene:
        return None


def read_cloud(run: Run, name: str) -> dict[str, Any] | None:
    """The points of a scene; None when they are missing or malformed."""
    try:
        return check_cloud(_json(run, name))
    except BadScene:
        return None


def scene_files(run: Run, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The scenes of those names, by name, and their clouds as "cloud-<id>"."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(names):
        scene = read_scene(run, name)
        if scene is None:
            continue
        found[name] = scene
        key = f"cloud-{scene['cloud']}"
        if scene["cloud"] and key not in found:
            cloud = read_cloud(run, f"scenes/{scene['cloud']}.json")
            if cloud is not None:
                found[key] = cloud
    return found


def _json(run: Run, name: str) -> Any:
    if not _NAME.fullmatch(name):
        return None
    path = run.path / name
    try:
        inside = path.resolve().is_relative_to(run.path.resolve() / "scenes")
        if not inside or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
