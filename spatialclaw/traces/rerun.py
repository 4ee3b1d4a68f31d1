"""The scenes of a run as a recording for Rerun (https://rerun.io)."""

from __future__ import annotations

import base64
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spatialclaw.errors import RunError, UsageError
from spatialclaw.traces.html.story import tell
from spatialclaw.traces.read import Run
from spatialclaw.traces.scenes import scene_files

__all__ = ["write_rrd"]


def write_rrd(run: Run, out: Path) -> Path:
    """Writes points, cameras, boxes and measured lines, cell by cell.

    Args:
        run: A recorded run.
        out: The file to write, ending in .rrd.

    Returns:
        `out`.

    Raises:
        UsageError: The package rerun-sdk is not installed.
        RunError: No cell of the run made anything in 3-D.
    """
    if find_spec("rerun") is None:
        raise UsageError(
            "the package rerun-sdk (about 800 MB) is not installed",
            hint="Install it with: pip install rerun-sdk",
        )
    story = tell(run)
    scenes = scene_files(run, [name for cell in story.cells for name in cell.scenes])
    if not scenes:
        raise RunError(f"no cell of {run.path} made anything in 3-D")
    import rerun as rr

    recording: Any = rr.RecordingStream(f"spatialclaw/{run.path.resolve().name}")
    recording.save(str(out))
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    for cell in story.cells:
        recording.set_time("cell", sequence=cell.number)
        recording.log("code", rr.TextDocument(cell.code))
        for name in cell.scenes:
            if name in scenes:
                _log(recording, rr, scenes[name], scenes.get(f"cloud-{scenes[name]['cloud']}"))
    recording.flush()
    return out


def _log(recording: Any, rr: Any, scene: dict[str, Any], cloud: dict[str, Any] | None) -> None:
    import numpy as np
    from scipy.spatial.transform import Rotation

    if cloud is not None:
        low, high = np.array(cloud["low"]), np.array(cloud["high"])
        numbers = np.frombuffer(base64.b64decode(cloud["xyz"]), "<u2").reshape(-1, 3)
        colours = np.frombuffer(base64.b64decode(cloud["rgb"]), np.uint8).reshape(-1, 3)
        points = low + numbers / 65535 * (high - low)
        recording.log("world/points", rr.Points3D(points, colors=colours, radii=0.01))
    if scene["cameras"]:
        path = [np.reshape(c["pose"], (3, 4))[:, 3] for c in scene["cameras"]]
        recording.log("world/cameras", rr.LineStrips3D([path], colors=[[46, 134, 222]]))
    if scene["boxes"]:
        turns = [np.reshape(b["axes"], (3, 3)).T for b in scene["boxes"]]
        boxes = rr.Boxes3D(
            centers=[b["center"] for b in scene["boxes"]],
            half_sizes=[np.array(b["extent"]) / 2 for b in scene["boxes"]],
            quaternions=[Rotation.from_matrix(turn).as_quat() for turn in turns],
            labels=[b["label"] for b in scene["boxes"]],
        )
        recording.log("world/boxes", boxes)
    if scene["lines"]:
        lines = [[line["a"], line["b"]] for line in scene["lines"]]
        labels = [line["label"] for line in scene["lines"]]
        recording.log("world/lines", rr.LineStrips3D(lines, labels=labels))
    if scene["marks"]:
        marks = [m["at"] for m in scene["marks"]]
        labels = [m["label"] for m in scene["marks"]]
        recording.log("world/marks", rr.Points3D(marks, labels=labels, radii=0.03))
