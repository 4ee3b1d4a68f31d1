"""The scorer of camera and arm trajectories that are given as poses (SpatialTree)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.scorers.base import Scored, no_answer, scorer
from spatialclaw.evaluation.scorers.structured import read_json

__all__: list[str] = []

Args = Mapping[str, Any]
Floats = npt.NDArray[np.float64]
_NOTHING = Scored(0.0, None)

# Key -> (axis of the move, sign), in the camera's axes as they are at the start.
_MOVES = {"W": (2, 1), "S": (2, -1), "D": (0, 1), "A": (0, -1), "space": (1, -1), "shift": (1, 1)}
# Key -> (which Euler angle of z, y, x; sign).
_TURNS = {"→": (0, 1), "←": (0, -1), "↑": (1, 1), "↓": (1, -1), "↻": (2, 1), "↺": (2, -1)}


@scorer("pose-trajectory")
def pose_trajectory(reply: str, truth: str, args: Args) -> Scored:
    """0.4 direction + 0.35 end point + 0.25 end rotation of a JSON trajectory, against poses.

    Args of the row: ``poses``: the true ones, (N, 7) metres and quaternion x, y, z, w;
    ``segments``: "0->1" to its translation_step_size (m, else 0.02) and rotation_step_size
    (radians, else 0.5 degrees); ``arm``: several segments and penalties for staying put; otherwise
    only the last segment is asked for.
    """
    value = read_json(reply)
    poses = np.asarray(args["poses"], dtype=np.float64)
    if no_answer(reply) or not isinstance(value, dict):
        return _NOTHING
    names = sorted(args["segments"], key=lambda name: int(str(name).split("->")[0]))
    sizes = [args["segments"][name] for name in names]
    try:
        path, end = _reached(value, poses, sizes, bool(args.get("arm")))
    except (TypeError, ValueError):
        return _NOTHING  # actions or counts that are none
    score = _compared(path[0], path[-1], end)
    if args.get("arm"):
        score *= _penalty(path, poses, end)
    return Scored(min(max(score, 0.0), 1.0), path[-1][:3].tolist())


def _reached(
    value: dict[str, Any], poses: Floats, sizes: Sequence[Any], arm: bool
) -> tuple[list[Floats], Floats]:
    """The poses that a reply leads through, and the one it should have reached."""
    if arm:
        steps = [value[key] for key in sorted(value, key=_number_in)][: len(sizes)]
        path = _walk(poses[0], steps, sizes)
        return path, poses[min(len(path) - 1, len(poses) - 1)]
    path = _walk(poses[-2], [value], sizes[-1:])
    # The own code takes the 7 numbers of the pose that is reached for 7 poses.
    return path, poses[min(6, len(poses) - 1)]


def _number_in(key: str) -> tuple[int, str]:
    match = re.search(r"\d+", str(key))
    return (int(match.group()) if match else 10**9, str(key))


def _walk(start: Floats, steps: Sequence[Any], sizes: Sequence[Any]) -> list[Floats]:
    """The poses that the actions lead to, segment by segment; the first is the start."""
    from scipy.spatial.transform import Rotation

    path = [start]
    for step, size in zip(steps, sizes, strict=False):
        if not isinstance(step, dict):
            continue
        length = float(size.get("translation_step_size", 0.02))
        angle = float(size.get("rotation_step_size", math.radians(0.5)))
        move, turn = np.zeros(3), np.zeros(3)
        counts = step.get("step_nums") or []
        for i, action in enumerate(step.get("actions") or []):
            count = float(counts[i]) if i < len(counts) else 1.0
            if action in _MOVES:
                axis, sign = _MOVES[action]
                move[axis] += sign * count * length
            elif action in _TURNS:
                axis, sign = _TURNS[action]
                turn[axis] += sign * count * angle
        rotation = Rotation.from_euler("zyx", turn) * Rotation.from_quat(path[-1][3:])
        path.append(np.concatenate([path[-1][:3] + move, rotation.as_quat()]))
    return path


def _angle(a: Floats, b: Floats) -> float:
    """Degrees between two poses' rotations."""
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_quat(a[3:]).inv() * Rotation.from_quat(b[3:])
    return float(np.rad2deg(turned.magnitude()))


def _compared(start: Floats, reached: Floats, wanted: Floats) -> float:
    moved, to_move = reached[:3] - start[:3], wanted[:3] - start[:3]
    lengths = float(np.linalg.norm(moved)), float(np.linalg.norm(to_move))
    direction = 0.0
    if max(lengths) < 1e-6:
        direction = 1.0
    elif min(lengths) > 1e-6:
        direction = max(0.0, float(moved @ to_move) / (lengths[0] * lengths[1]))
    error = float(np.linalg.norm(reached[:3] - wanted[:3]))
    turned = _angle(reached, wanted)
    position, rotation = math.exp(-13.863 * error), math.exp(-0.0154 * (turned / 5.0) ** 2)
    return 0.4 * direction + 0.35 * position + 0.25 * rotation


def _penalty(path: Sequence[Floats], poses: Floats, wanted: Floats) -> float:
    moved = float(np.linalg.norm(path[-1][:3] - path[0][:3]))
    to_move = float(np.linalg.norm(wanted[:3] - poses[0][:3]))
    turned = sum(_angle(a, b) for a, b in pairwise(path))
    to_turn = sum(_angle(a, b) for a, b in pairwise(poses))
    still = 0.7 if to_move > 0.1 and moved < 0.03 else 1.0
    return still * (0.5 if to_turn > 5 and turned <= 2 else 1.0)
