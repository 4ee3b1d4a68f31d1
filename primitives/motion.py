"""How the camera moved and turned between two views."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives import twoview
from spatialclaw.primitives.errors import NothingFound, Unavailable
from spatialclaw.primitives.frames import Frame
from spatialclaw.primitives.geometry.motion import CameraMotion
from spatialclaw.primitives.geometry.words import choose
from spatialclaw.primitives.imaging import ASSUMED_FOCAL, as_frame, assumed_intrinsics
from spatialclaw.primitives.match import raw_matches

__all__ = ["EstimatedMotion", "by_views", "estimate_motion"]

Floats = npt.NDArray[np.float64]

SWEEP = (0.5, 0.65, 0.8, 0.95, 1.15, 1.4, 1.8)
"""Focal lengths, in long sides of the picture, that are tried when it is unknown."""
FOCAL_SPREAD = 0.35
"""Standard deviation of the logarithm of an unknown focal length around `ASSUMED_FOCAL`."""


@dataclass(eq=False, repr=False)
class EstimatedMotion(CameraMotion):
    """A `CameraMotion` found from pictures, with what it rests on.

    Attributes:
        frame_a: Position of the first frame.
        frame_b: Position of the second.
        inliers: Number of matches behind it.
        focal_px: Focal length that was used or found, pixels.
        probabilities: Main direction -> probability, over what the pictures leave open (focal
            length, sign of the parallax).
    """

    frame_a: int = 0
    frame_b: int = 0
    inliers: int = 0
    focal_px: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """Degrees by which the move could change before `direction` would."""
        return self.margin_deg

    @property
    def horizontal(self) -> str:
        """The word "left" or "right": the sideways part of the movement."""
        return "right" if self.translation[0] >= 0 else "left"

    @property
    def vertical(self) -> str:
        """The word "up" or "down": the vertical part of the movement."""
        return "down" if self.translation[1] >= 0 else "up"

    @property
    def lengthwise(self) -> str:
        """The word "forward" or "backward": the part of the movement along the view."""
        return "forward" if self.translation[2] >= 0 else "backward"

    @property
    def turn(self) -> str:
        """Main turn: "right", "left", "up", "down", "clockwise", "counterclockwise" or "none"."""
        turns = [
            (abs(self.yaw_deg), "right" if self.yaw_deg > 0 else "left"),
            (abs(self.pitch_deg), "up" if self.pitch_deg > 0 else "down"),
            # A camera that looks down and turns about the vertical rolls its picture too.
            (abs(self.roll_deg) / 2, "clockwise" if self.roll_deg > 0 else "counterclockwise"),
        ]
        angle, word = max(turns)
        return word if angle >= 0.3 else "none"


def _direction(center: Floats) -> tuple[str, float]:
    """Main word of a displacement and the degrees by which it leads the next."""
    return choose(center, ["right", "left", "up", "down", "forward", "backward"])


def _motion(
    rotation: Floats,
    translation: Floats,
    *,
    metric: bool,
    method: str,
    a: Frame,
    b: Frame,
    **more: Any,
) -> EstimatedMotion:
    return EstimatedMotion(
        rotation=rotation,
        translation=translation,
        metric=metric,
        method=method,
        moved=bool(np.any(translation)),
        frame_a=a.position,
        frame_b=b.position,
        **more,
    )


def estimate_motion(
    frame_a: Any, frame_b: Any, intrinsics: Any = None, *, method: str = "auto"
) -> EstimatedMotion:
    """How the camera moved and turned from one frame to another.

    Uses the poses of the capture where both frames have one; else the depth of a frame (metric);
    else matched points alone: then the length of the movement is unknown. Where the focal length
    is unknown a range of lengths is tried and the answer says how sure it is over all of them.

    Args:
        frame_a: First frame.
        frame_b: Second frame.
        intrinsics: (3, 3) of both frames, when they do not carry it.
        method: "auto", "poses", "depth" or "views".

    Returns:
        `CameraMotion`: `.direction` ("right"), `.translation`, `.yaw_deg` (right positive),
        `.turn`, `.margin_deg`, `.confidence`, `.probabilities`.

    Raises:
        NothingFound: Too few points are seen in both frames.
        Unavailable: The method asked for needs what the frames do not have.

    Example:
        >>> m = estimate_motion(frames[0], frames[1])
        >>> m.direction, m.yaw_deg, m.confidence
    """
    if method not in ("auto", "poses", "depth", "views"):
        raise ValueError(f"method={method!r}: use 'auto', 'poses', 'depth' or 'views'")
    a, b = as_frame(frame_a), as_frame(frame_b)
    if method in ("auto", "poses"):
        if a.pose is not None and b.pose is not None:
            return _by_poses(a, b)
        if method == "poses":
            raise Unavailable("the frames carry no poses", hint="estimate_motion(a, b)")
    points_a, points_b, _ = raw_matches(a, b)
    if method in ("auto", "depth"):
        found = _by_depth(a, b, points_a, points_b, intrinsics)
        if found is not None:
            return found
        if method == "depth":
            raise Unavailable(
                "neither frame has depth and intrinsics with enough matches on it",
                hint="estimate_motion(a, b, method='views')",
            )
    if len(points_a) < 12:
        points_a, points_b, _ = raw_matches(a, b, ratio=0.88, longest=1600)
    return by_views(a, b, points_a, points_b, intrinsics)


def _by_poses(a: Frame, b: Frame) -> EstimatedMotion:
    assert a.pose is not None
    assert b.pose is not None
    relative = np.linalg.inv(a.pose) @ b.pose
    translation = relative[:3, 3]
    if np.linalg.norm(translation) < 1e-6:
        translation = np.zeros(3)
    return _motion(
        relative[:3, :3],
        translation,
        metric=a.metric and b.metric,
        method="poses",
        a=a,
        b=b,
        confidence=0.99,
        note="" if a.metric else "the poses have no known scale",
    )


def _by_depth(
    a: Frame, b: Frame, points_a: Floats, points_b: Floats, intrinsics: Any
) -> EstimatedMotion | None:
    """PnP of one view against the depth of the other."""
    import cv2

    k_a = a.intrinsics if a.intrinsics is not None else intrinsics
    k_b = b.intrinsics if b.intrinsics is not None else intrinsics
    if k_a is None or k_b is None or (a.depth is None and b.depth is None):
        return None
    swapped = a.depth is None
    depth = b.depth if swapped else a.depth
    assert depth is not None
    source, target = (points_b, points_a) if swapped else (points_a, points_b)
    k_source, k_target = (k_b, k_a) if swapped else (k_a, k_b)
    columns = source[:, 0].round().astype(int).clip(0, depth.shape[1] - 1)
    rows = source[:, 1].round().astype(int).clip(0, depth.shape[0] - 1)
    z = depth[rows, columns].astype(np.float64)
    known = np.isfinite(z) & (z > 0)
    if known.sum() < 8:
        return None
    points = twoview.normalised(source[known], np.asarray(k_source)) * z[known, None]
    threshold = max(2.0, max(a.width, a.height) / 320)
    cv2.setRNGSeed(1)
    good, turn, shift, inliers = cv2.solvePnPRansac(
        points,
        target[known],
        np.asarray(k_target),
        None,
        iterationsCount=2000,
        reprojectionError=threshold,
        confidence=0.999,
        flags=cv2.SOLVEPNP_SQPNP,
    )
    if not good or inliers is None or len(inliers) < 8:
        return None
    index = inliers.ravel()
    turn, shift = cv2.solvePnPRefineLM(
        points[index], target[known][index], np.asarray(k_target), None, turn, shift
    )
    r = np.asarray(cv2.Rodrigues(turn)[0])
    rotation, center = r.T, (-r.T @ shift).ravel()
    if swapped:
        rotation, center = r, shift.ravel()
    share = len(index) / known.sum()
    motion = _motion(
        rotation,
        center,
        metric=(b if swapped else a).metric,
        method="depth+pnp",
        a=a,
        b=b,
        confidence=float(np.clip(share * 1.3, 0.2, 0.97)),
        inliers=len(index),
        focal_px=float(k_target[0, 0]),
    )
    median = float(np.median(z[known]))
    if motion.distance < 0.003 * median:
        motion.moved, motion.translation = False, np.zeros(3)
    return motion


@dataclass(eq=False)
class _Candidate:
    view: twoview.TwoView
    log_weight: float
    rotation_only: dict[str, Any]
    focal_in_long_sides: float


def by_views(
    a: Frame, b: Frame, points_a: Floats, points_b: Floats, intrinsics: Any = None
) -> EstimatedMotion:
    """Relative pose from matched points alone, see `estimate_motion`."""
    if len(points_a) < 8:
        raise NothingFound(
            f"only {len(points_a)} points of frame {a.position} are found again in frame "
            f"{b.position}: the views may not overlap",
            hint="frames between them, or look([a, b], 'how did the camera move?')",
        )
    long_side = max(a.width, a.height)
    threshold = max(1.0, long_side / 1000)
    shift = np.linalg.norm(points_b - points_a, axis=1)
    if a.image.shape == b.image.shape and np.percentile(shift, 75) < 0.3 * threshold:
        return _motion(
            np.eye(3),
            np.zeros(3),
            metric=False,
            method="essential",
            a=a,
            b=b,
            confidence=0.9,
            inliers=len(points_a),
            note="nothing moved in the picture: the camera stood still",
        )
    candidates, known = _candidates(a, b, points_a, points_b, intrinsics, threshold)
    if not candidates:
        raise NothingFound(
            f"{len(points_a)} matches between frames {a.position} and {b.position}, but no rigid "
            "movement of the camera explains 8 of them",
            hint="frames that overlap more",
        )
    turned = _turn_only(a, b, candidates, threshold, known)
    if turned is not None:
        return turned
    return _weigh(a, b, candidates, known)


def _candidates(
    a: Frame, b: Frame, points_a: Floats, points_b: Floats, intrinsics: Any, threshold: float
) -> tuple[list[_Candidate], bool]:
    k_a = a.intrinsics if a.intrinsics is not None else intrinsics
    k_b = b.intrinsics if b.intrinsics is not None else intrinsics
    known = k_a is not None and k_b is not None
    tries: list[tuple[Floats, Floats, float, float]] = []
    if known:
        k_a, k_b = np.asarray(k_a, dtype=np.float64), np.asarray(k_b, dtype=np.float64)
        doubt = (a.focal_sigma or 0.0) / float(k_a[0, 0])
        for step in (0.0,) if doubt < 0.02 else (-1.0, 0.0, 1.0):
            scale = np.array(
                [[np.exp(step * doubt), 1, 1], [1, np.exp(step * doubt), 1], [1, 1, 1]]
            )
            tries.append((k_a * scale, k_b * scale, step, 0.0))
    else:
        for focal in SWEEP:
            prior = np.log(focal / ASSUMED_FOCAL) / FOCAL_SPREAD
            tries.append(
                (
                    assumed_intrinsics(a.width, a.height, focal),
                    assumed_intrinsics(b.width, b.height, focal),
                    float(prior),
                    0.0,
                )
            )
    result = []
    for matrix_a, matrix_b, prior, sigma in tries:
        view = twoview.relative_pose(
            points_a, points_b, matrix_a, matrix_b, threshold_px=threshold, focal_sigma=sigma
        )
        # Some points lie near the epipolar lines of any pose by chance.
        if view is None or view.inliers.sum() < 10 + 0.15 * len(points_a):
            continue
        check = twoview.degeneracy(
            points_a, points_b, view, matrix_a, matrix_b, threshold_px=threshold
        )
        # Costs are sums of correlated errors (lens, matches in clusters): count them by a quarter.
        weight = -0.5 * prior**2 - 0.25 * view.cost - _implausible(points_a, view)
        result.append(_Candidate(view, weight, check, view.focal / max(a.width, a.height)))
    return result, known


def _implausible(points_a: Floats, view: twoview.TwoView) -> float:
    """Nats against a pose: points behind the camera, and near things above far ones.

    A sideways movement and a turn shift a picture alike; only the sign of the parallax tells them
    apart, and with it which points are near. In pictures taken upright the lower part is nearer.
    """
    from scipy.stats import rankdata

    behind = 20.0 * max(0.0, 1.0 - view.in_front)
    inliers = np.isfinite(view.inverse_depth)
    if inliers.sum() < 10:
        return behind
    rows, nearness = rankdata(points_a[inliers, 1]), rankdata(view.inverse_depth[inliers])
    if np.ptp(rows) == 0 or np.ptp(nearness) == 0:
        return behind
    correlation = float(np.corrcoef(rows, nearness)[0, 1])
    return behind - 3.0 * correlation


def _turn_only(
    a: Frame, b: Frame, candidates: list[_Candidate], threshold: float, known: bool
) -> EstimatedMotion | None:
    best = min(candidates, key=lambda c: float(c.rotation_only["parallax_px"]))
    share = float(best.rotation_only["rotation_only"])
    if share < 0.85 or best.rotation_only["parallax_px"] > 1.5 * threshold:
        return None
    rotation = np.asarray(best.rotation_only["rotation"])
    return _motion(
        rotation,
        np.zeros(3),
        metric=False,
        method="rotation",
        a=a,
        b=b,
        confidence=share,
        inliers=int(best.view.inliers.sum()),
        focal_px=best.view.focal,
        probabilities={"none": share},
        note="a turn alone explains the matches: any movement is too small for the distance of "
        "the scene" + ("" if known else "; focal length unknown, angles are approximate"),
    )


def _weigh(a: Frame, b: Frame, candidates: list[_Candidate], known: bool) -> EstimatedMotion:
    logs = np.array([c.log_weight for c in candidates])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    votes: dict[str, float] = {}
    for candidate, weight in zip(candidates, weights, strict=True):
        word, _ = _direction(candidate.view.center)
        votes[word] = votes.get(word, 0.0) + float(weight)
    winner = max(votes, key=lambda word: votes[word])
    members = [
        (w, c)
        for c, w in zip(candidates, weights, strict=True)
        if _direction(c.view.center)[0] == winner
    ]
    best = max(members, key=lambda pair: float(pair[0]))[1].view
    lead = _direction(best.center)[1]
    confidence = votes[winner] * min(1.0, float(best.inliers.sum()) / 25)
    confidence *= 0.55 + 0.45 * min(1.0, lead / 15)  # near a diagonal either word may win
    notes = []
    if not known:
        focals = sorted(c.focal_in_long_sides for _, c in members)
        notes.append(
            f"focal length unknown: {len(members)} of {len(candidates)} tried lengths "
            f"({focals[0]:.2f} to {focals[-1]:.2f} long sides) give {winner}"
        )
    if best.in_front < 0.9:
        notes.append(f"{1 - best.in_front:.0%} of the points do not fit (moving things?)")
    return _motion(
        best.rotation,
        best.center,
        metric=False,
        method="essential",
        a=a,
        b=b,
        confidence=float(np.clip(confidence, 0.05, 0.99)),
        inliers=int(best.inliers.sum()),
        focal_px=best.focal,
        probabilities={k: round(v, 3) for k, v in sorted(votes.items())},
        note="; ".join(notes),
    )
