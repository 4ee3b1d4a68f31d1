"""On rendered rooms and streets, whose truth is exact."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.benchmarks.accuracy import lines as plain
from spatialclaw.benchmarks.accuracy.lines import Line, angle_deg, rotation_deg
from spatialclaw.evaluation.synth.camera import Camera, look_at
from spatialclaw.evaluation.synth.render import Quality
from spatialclaw.evaluation.synth.rooms import make_room, tour
from spatialclaw.evaluation.synth.street import make_street, watch
from spatialclaw.evaluation.synth.survey import Survey
from spatialclaw.evaluation.synth.write import write_capture
from spatialclaw.media import load
from spatialclaw.primitives import geometry
from spatialclaw.primitives.errors import PrimitiveError
from spatialclaw.primitives.frames import Frame, Frames
from spatialclaw.primitives.measure import speed
from spatialclaw.primitives.motion import estimate_motion
from spatialclaw.primitives.reconstruct import reconstruct
from spatialclaw.primitives.segment import segment

__all__ = ["measure_rendered"]

Floats = npt.NDArray[np.float64]
SEEDS = (11, 12)


def measure_rendered() -> list[Line]:
    """All measurements on scenes made here."""
    rooms: dict[str, list[float]] = {}
    views: dict[str, list[tuple[float, float]]] = {"ours": [], "plain": []}
    for seed in SEEDS:
        for name, errors in _room(seed, views).items():
            rooms.setdefault(name, []).extend(errors)
    found = [_line(name, errors) for name, errors in rooms.items()]
    words = [
        f"median {np.median([e[0] for e in views[way]]):.1f}° rotation, "
        f"{np.median([e[1] for e in views[way]]):.1f}° direction, {len(views[way])} pairs"
        for way in ("ours", "plain")
    ]
    values: dict[str, Any] = dict(views)
    found.append(Line("rendered: camera motion from two pictures", words[0], words[1], values))
    return [*found, *_street(7)]


def _line(name: str, errors: Sequence[float]) -> Line:
    unit = "°" if name.endswith("direction") else " %" if name.endswith("speed") else " cm"
    words = f"median {np.median(errors):.1f}{unit}, most {np.max(errors):.1f}{unit} off, "
    return Line(f"rendered: {name}", f"{words}{len(errors)} cases", "", {"errors": list(errors)})


def _room(seed: int, views: dict[str, list[tuple[float, float]]]) -> dict[str, list[float]]:
    scene = make_room(seed)
    assert scene.floor is not None
    caster = scene.raycaster()
    lens = Camera(480, 360, 345.6, np.eye(4))
    cameras = tour(scene, caster, lens, 8, seed)
    pictures = [caster.view(camera, Quality(), seed=k) for k, camera in enumerate(cameras)]
    errors: dict[str, list[float]] = {
        name: [] for name in ("sides of a room", "extents of boxes", "centres of boxes",
                              "gaps between boxes", "direction")
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "capture"
        write_capture(capture, cameras, pictures, scene.things)
        frames = load([capture], workdir=Path(folder), frames=8).sequences[0]
        world = reconstruct(frames)
        sides = sorted(scene.floor, reverse=True)
        errors["sides of a room"] = [
            100 * abs(a - b) for a, b in zip(world.room().sides, sides, strict=True)
        ]
        survey = Survey(scene, cameras, pictures)
        _boxes(frames, world, survey, cameras[0], errors)
        _pairs(caster, lens, cameras[0], views, seed)
    return {name: values for name, values in errors.items() if values}


def _boxes(
    frames: Frames, world: Any, survey: Survey, first: Camera, errors: dict[str, list[float]]
) -> None:
    """Boxes of the things that the views show from end to end, and what follows from them."""
    names = [thing.name for thing in survey.scene.things]
    origin = np.asarray(first.pose)[:3, 3]
    placed = []
    for thing in survey.scene.things:
        if names.count(thing.name) > 1 or not survey.measurable(thing):
            continue
        masks = []
        for frame in frames:
            try:
                masks += [m for m in segment(frame, thing.name, method="capture")]
            except PrimitiveError:  # not in this picture
                continue
        if not masks:
            continue
        box = world.box(masks, thing.name)
        extent = np.sort(np.asarray(box.extent))
        errors["extents of boxes"] += (100 * np.abs(extent - np.sort(thing.extent))).tolist()
        seen = survey.seen_box(thing)[0] - origin
        errors["centres of boxes"].append(100 * float(np.linalg.norm(box.center.plain - seen)))
        placed.append((thing, box))
    for a, box_a in placed:
        for b, box_b in placed:
            if a.id >= b.id:
                continue
            gap = survey.gap(a, b)[1]
            if gap > 0.1:
                errors["gaps between boxes"].append(100 * abs(float(box_a.distance(box_b)) - gap))
            if np.linalg.norm((survey.seen_box(b)[0] - survey.seen_box(a)[0])[:2]) < 0.6:
                continue
            found = geometry.direction(
                box_b, viewer=box_a, facing=geometry.points([0.0, 0.0, 0.0], world.ref)
            )
            there = survey.seen_box(b)[0] - survey.seen_box(a)[0]
            ahead = origin - survey.seen_box(a)[0]
            turn = np.degrees(np.arctan2(ahead[1], ahead[0]) - np.arctan2(there[1], there[0]))
            off = (float(found.angle_deg) - turn + 180) % 360 - 180
            errors["direction"].append(abs(float(off)))


def _pairs(
    caster: Any,
    lens: Camera,
    start: Camera,
    views: dict[str, list[tuple[float, float]]],
    seed: int,
) -> None:
    """Two pictures 15 to 60 cm and up to 12 degrees apart, intrinsics known."""
    rng = np.random.default_rng([seed, 9])
    pose = np.asarray(start.pose)
    matrix = np.array([[345.6, 0, 239.5], [0, 345.6, 179.5], [0, 0, 1]])
    here = caster.view(lens.at(pose), Quality(), seed=0)
    for number in range(4):
        step = rng.normal(size=3) * [1, 0.4, 0.6]
        step *= rng.uniform(0.15, 0.6) / np.linalg.norm(step)
        eye = pose[:3, 3] + pose[:3, :3] @ step
        aim = pose[:3, 3] + pose[:3, :3] @ np.array([rng.uniform(-0.6, 0.6), 0.1, 3.0])
        moved = look_at(tuple(eye), tuple(aim))
        there = caster.view(lens.at(moved), Quality(), seed=number + 1)
        truth = np.linalg.inv(pose) @ moved
        rotation, shift = plain.plain_motion(here.image, there.image, matrix)
        views["plain"].append(
            (rotation_deg(rotation, truth[:3, :3]), angle_deg(shift, truth[:3, 3]))
        )
        pair = Frames.from_arrays([here.image, there.image], intrinsics=[matrix, matrix])
        motion = estimate_motion(pair[0], pair[1])
        views["ours"].append(
            (rotation_deg(motion.rotation, truth[:3, :3]),
             angle_deg(motion.translation, truth[:3, 3]) if motion.moved else 90.0)
        )  # fmt: skip


def _street(seed: int) -> list[Line]:
    """Speeds of what drives and walks past, from depth, times and the capture's own masks."""
    street = make_street(seed)
    lens = watch(Camera(480, 270, 331.2, np.eye(4)))
    times = np.linspace(0, street.seconds, 9)
    cameras = [lens.at(lens.pose, float(t)) for t in times]
    pictures = [street.at(float(t)).raycaster().view(lens, Quality()) for t in times]
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "capture"
        write_capture(capture, cameras, pictures, street.at(0).things)
        frames = load([capture], workdir=Path(folder), frames=9).sequences[0]
        start, end = street.at(0.0), street.at(float(street.seconds))
        for thing in start.things:
            last = next(t for t in end.things if t.id == thing.id)
            way = np.linalg.norm(np.subtract(last.position, thing.position))
            true = float(way) / float(street.seconds)
            if true < 0.3 or [t.name for t in start.things].count(thing.name) > 1:
                continue
            masks = [m for frame in frames for m in _sightings(frame, thing.name)]
            if len(masks) < 3:
                continue
            try:
                found = speed(masks, frames=frames)
            except PrimitiveError:
                continue
            errors.append(100 * abs(float(found) - true) / true)
    return [_line("speed", errors)] if errors else []


def _sightings(frame: Frame, name: str) -> list[Any]:
    try:
        return list(segment(frame, name, method="capture"))
    except PrimitiveError:  # not in this picture
        return []
