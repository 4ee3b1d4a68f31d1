"""From a seed to a capture on disk with its questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spatialclaw.evaluation.synth import metric as _metric  # noqa: F401  (registers its families)
from spatialclaw.evaluation.synth import motion as _motion  # noqa: F401
from spatialclaw.evaluation.synth import relations as _relations  # noqa: F401
from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.degrade import Degradation, degraded
from spatialclaw.evaluation.synth.moving import street_questions
from spatialclaw.evaluation.synth.points import pixel_questions, right_camera
from spatialclaw.evaluation.synth.questions import Question, choose, count, mixed, named
from spatialclaw.evaluation.synth.render import Quality, View
from spatialclaw.evaluation.synth.rooms import make_room, tour
from spatialclaw.evaluation.synth.street import make_street, watch
from spatialclaw.evaluation.synth.survey import Survey
from spatialclaw.evaluation.synth.tabletops import MARKER_NAME, make_tabletop, orbit
from spatialclaw.evaluation.synth.write import write_capture, write_stereo, write_video

__all__ = ["Order", "room", "stereo", "street_capture", "street_video", "tabletop"]


@dataclass(frozen=True)
class Order:
    """What a capture is to be like.

    Attributes:
        seed: Everything about it follows from this.
        folder: Where it is written.
        media: What its questions call it: paths relative to the file of the questions.
        prefix: How the ids of its questions begin.
        width: Of the pictures, pixels; the height is three quarters (videos: nine sixteenths).
        frames: How many pictures.
        questions: How many questions at most.
        quality: How finely it is drawn.
        degradation: What is done to depth and instance maps before they are written; the truth
            stays.
    """

    seed: int
    folder: Path
    media: Sequence[str]
    prefix: str
    width: int = 640
    frames: int = 10
    questions: int = 20
    quality: Quality = field(default_factory=Quality)
    degradation: Degradation | None = None

    def camera(self, focal: float = 0.72, wide: bool = False) -> Camera:
        """Its lens, at the origin; focal length in widths of the picture."""
        height = self.width * 9 // 16 if wide else self.width * 3 // 4
        return Camera(self.width, height, round(self.width * focal, 1), np.eye(4))

    def questions_rng(self) -> np.random.Generator:
        """Chooses its questions."""
        return np.random.default_rng([self.seed, 7])

    def spoiled(self, views: Sequence[View]) -> list[View]:
        """The views as they are written."""
        if self.degradation is None:
            return list(views)
        return [
            degraded(v, self.degradation, seed=self.seed * 1000 + k) for k, v in enumerate(views)
        ]


def room(order: Order) -> list[Question]:
    """Writes a furnished room seen from all around; returns its questions."""
    scene = make_room(order.seed)
    caster = scene.raycaster()
    cameras = tour(scene, caster, order.camera(), order.frames, order.seed)
    views = [caster.view(camera, order.quality, seed=k) for k, camera in enumerate(cameras)]
    write_capture(order.folder, cameras, order.spoiled(views), scene.things)
    questions = mixed(Survey(scene, cameras, views), order.questions_rng(), order.questions)
    return named(questions, order.prefix, order.media)


def tabletop(order: Order) -> list[Question]:
    """Writes a laid table seen from a few sides; returns its questions."""
    scene = make_tabletop(order.seed)
    caster = scene.raycaster()
    cameras = orbit(order.camera(0.9), order.frames, order.seed)
    views = [caster.view(camera, order.quality, seed=k) for k, camera in enumerate(cameras)]
    write_capture(order.folder, cameras, order.spoiled(views), scene.things)
    survey = Survey(scene, cameras, views)
    marker = next((t for t in scene.things if t.name == MARKER_NAME), None)
    extra: list[Question] = []
    # A marker can be read from about four pixels a cell on.
    if marker is not None and any(
        survey.clear(marker, k, order.width**2 // 400) for k in range(len(cameras))
    ):
        text = "What is the id of the ArUco marker (dictionary 4x4_50) on the table?"
        extra.append(count("marker", text, int(scene.marks["marker"])))
    questions = mixed(survey, order.questions_rng(), order.questions - len(extra))
    return named([*questions, *extra], order.prefix, order.media)


def street_capture(order: Order) -> list[Question]:
    """Writes a street with depth and times, the camera standing still; returns its questions."""
    street = make_street(order.seed)
    lens = watch(order.camera(0.69, wide=True))
    times = np.linspace(0, street.seconds, order.frames)
    cameras = [lens.at(lens.pose, float(t)) for t in times]
    views = [street.at(float(t)).raycaster().view(lens, order.quality) for t in times]
    write_capture(order.folder, cameras, order.spoiled(views), street.at(0).things)
    rng = order.questions_rng()
    pools = street_questions(street, cameras, views, rng, metric=True)
    del pools["count"]
    pools = {name: [pool[k] for k in rng.permutation(len(pool))] for name, pool in pools.items()}
    return named(choose(pools, order.questions), order.prefix, order.media)


def street_video(order: Order, fps: int = 12) -> list[Question]:
    """Writes the same as a plain video, at `order.folder` as a file; returns its questions."""
    street = make_street(order.seed)
    lens = watch(order.camera(0.69, wide=True))
    times = np.arange(0, street.seconds, 1 / fps)
    cameras = [lens.at(lens.pose, float(t)) for t in times]
    views = [street.at(float(t)).raycaster().view(lens, order.quality) for t in times]
    write_video(order.folder, [view.image for view in views], fps)
    rng = order.questions_rng()
    pools = street_questions(street, cameras, views, rng, metric=False)
    pools = {name: [pool[k] for k in rng.permutation(len(pool))] for name, pool in pools.items()}
    return named(choose(pools, order.questions), order.prefix, order.media)


def stereo(order: Order, baseline: float = 0.12) -> list[Question]:
    """Writes a calibrated stereo pair of a room; returns its questions."""
    scene = make_room(order.seed)
    caster = scene.raycaster()
    camera = tour(scene, caster, order.camera(), order.frames, order.seed)[0]
    left = caster.view(camera, order.quality, seed=0)
    right = caster.view(right_camera(camera, baseline), order.quality, seed=1)
    write_stereo(order.folder, camera, baseline, left, right)
    rng = order.questions_rng()
    pools = pixel_questions(camera, left, rng)
    pools = {name: [pool[k] for k in rng.permutation(len(pool))] for name, pool in pools.items()}
    return named(choose(pools, order.questions), order.prefix, order.media)
