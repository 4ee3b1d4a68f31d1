"""Drawn scenes: what is written is what is there, and every question can be answered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.synth.camera import Camera, look_at
from spatialclaw.evaluation.synth.degrade import Degradation, degraded
from spatialclaw.evaluation.synth.mesh import Material, box, lathe, rounded_box, sphere
from spatialclaw.evaluation.synth.motion import turn_deg
from spatialclaw.evaluation.synth.questions import Question, choice, choose
from spatialclaw.evaluation.synth.relations import bearing
from spatialclaw.evaluation.synth.render import View
from spatialclaw.evaluation.synth.rooms import make_room
from spatialclaw.evaluation.synth.scene import Scene, Thing
from spatialclaw.evaluation.synth.street import make_street
from spatialclaw.evaluation.synth.survey import Survey
from spatialclaw.evaluation.synth.tabletops import make_tabletop

GREY = Material((0.5, 0.5, 0.5))


def thing(name: str, number: int, x: float, y: float, size: float = 0.4) -> Thing:
    return Thing(name, number, [box((size, size, size), (0, 0, size / 2), GREY)], (x, y, 0.0))


@pytest.fixture(scope="module")
def open3d() -> None:
    try:
        import open3d  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"Open3D's system libraries are missing: {error}")


def test_shapes_face_outwards() -> None:
    for part in (
        box((1, 2, 3), (0, 0, 0), GREY),
        rounded_box((1, 2, 3), (0, 0, 0), GREY, 0.2),
        sphere(1.0, (0, 0, 0), GREY),
    ):
        corners = part.vertices[part.triangles]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert np.all((part.normals * part.vertices).sum(1) > 0)
        solid = np.linalg.norm(normal, axis=1) > 1e-12
        agreement = (normal * corners.mean(1)).sum(1)[solid]
        assert np.all(agreement >= 0) or np.all(agreement <= 0)


def test_a_lathe_is_as_high_as_its_profile() -> None:
    part = lathe([(0, 0), (0.2, 0), (0.2, 0.5), (0, 0.5)], GREY, smooth=False)
    assert part.vertices[:, 2].min() == 0
    assert part.vertices[:, 2].max() == 0.5
    assert np.hypot(*part.vertices[:, :2].T).max() == pytest.approx(0.2)


def test_camera_projects_back_what_it_unprojects() -> None:
    camera = Camera(64, 48, 50.0, look_at((1.0, -2.0, 1.5), (0.0, 0.0, 0.2)))
    depth = np.full((48, 64), 2.0, np.float32)
    mask = np.zeros(depth.shape, bool)
    mask[10, 20] = mask[40, 3] = True
    pixels, z = camera.project(camera.unproject(depth, mask))
    assert pixels == pytest.approx(np.array([[20, 10], [3, 40]]))
    assert z == pytest.approx(2.0)
    assert camera.pose[2, 1] < 0  # y points down


@pytest.mark.parametrize("seed", range(12))
def test_rooms_have_no_furniture_inside_another(seed: int) -> None:
    scene = make_room(seed)
    assert scene.floor is not None
    floor = [t for t in scene.things if t.position[2] == 0 and t.name not in ("chair", "table")]
    for k, one in enumerate(floor):
        low, high = one.footprint.min(0), one.footprint.max(0)
        assert np.all(np.abs(one.footprint) <= np.array(scene.floor) / 2 + 0.01), one.name
        for other in floor[k + 1 :]:
            low2, high2 = other.footprint.min(0), other.footprint.max(0)
            apart = (low >= high2 - 0.01) | (low2 >= high - 0.01)
            assert apart.any(), (one.name, other.name)


def test_the_same_seed_gives_the_same_scene_and_another_seed_another() -> None:
    first, second, other = make_room(5), make_room(5), make_room(6)
    assert [t.position for t in first.things] == [t.position for t in second.things]
    assert first.floor == second.floor != other.floor
    assert [t.name for t in make_tabletop(5).things] == [t.name for t in make_tabletop(5).things]
    assert make_street(5) == make_street(5) != make_street(6)


def test_cars_do_not_drive_through_each_other() -> None:
    for seed in range(8):
        street = make_street(seed)
        for time in np.arange(0, street.seconds, 0.1):
            spots = [(d.lane, d.position(float(time))[0]) for d in street.drives]
            for k, (lane, x) in enumerate(spots):
                assert all(lane != b or abs(x - y) > 4.3 for b, y in spots[k + 1 :])


def test_bearing_is_right_when_clockwise() -> None:
    here, north = thing("a", 1, 0, 0), thing("b", 2, 0, 3)
    assert bearing(here, north, thing("c", 3, 2, 0)) == pytest.approx(90)
    assert bearing(here, north, thing("c", 3, -2, 0)) == pytest.approx(-90)
    assert abs(bearing(here, north, thing("c", 3, 0, -2))) == pytest.approx(180)


def test_a_camera_that_turns_right_turns_by_a_positive_angle() -> None:
    lens = Camera(8, 6, 5.0, np.eye(4))
    ahead = lens.at(look_at((0, 0, 1), (0, 5, 1)))
    right = lens.at(look_at((0, 0, 1), (5, 5, 1)))
    assert turn_deg(ahead, right) == pytest.approx(45)


def test_options_hold_the_truth_under_its_letter() -> None:
    for seed in range(20):
        question = choice("f", "?", "yes", ["a", "b", "c"], np.random.default_rng(seed))
        assert question.choices is not None
        assert question.choices[str(question.truth)] == "yes"
        assert len(question.choices) == 4


def test_questions_are_taken_evenly_and_never_twice() -> None:
    many = [Question("a", f"How far is thing {k}?", 1.0) for k in range(9)]
    few = [Question("b", "How many?", 2.0)] * 3
    chosen = choose({"a": list(many), "b": list(few)}, 5)
    assert [q.family for q in chosen] == ["a", "b", "a", "a", "a"]
    assert len({q.question for q in chosen}) == 5


def test_degradation_spoils_what_it_says_and_leaves_the_original() -> None:
    instances = np.zeros((96, 128), np.uint16)
    instances[20:60, 30:90] = 3
    view = View(np.zeros((96, 128, 3), np.uint8), np.full((96, 128), 2.0, np.float32), instances)
    spoiled = degraded(view, Degradation(0.02, 1.1, 0.2, 0.0, 4), seed=1)
    known = spoiled.depth > 0
    assert 0.7 < known.mean() < 0.9
    assert np.median(spoiled.depth[known]) == pytest.approx(2.2, rel=0.01)
    assert 0.01 < spoiled.depth[known].std() / 2.2 < 0.03
    assert set(np.unique(spoiled.instances)) == {0, 3}
    assert (spoiled.instances != instances).any()
    assert not (degraded(view, Degradation(object_dropout=1.0), seed=1).instances > 0).any()
    assert (view.depth == 2.0).all()


@pytest.mark.usefixtures("open3d")
def test_depth_and_instances_are_those_of_the_scene() -> None:
    things = [thing("cube", 1, 0, 0), thing("block", 2, 1.5, 0.0, 0.2)]
    scene = Scene("room", things, [box((6, 6, 0.1), (0, 0, -0.05), GREY)], [])
    camera = Camera(160, 120, 150.0, look_at((0.0, -3.0, 0.2), (0.0, 0.0, 0.2)))
    depth, instances = scene.raycaster().truth(camera)
    assert depth[60, 80] == pytest.approx(2.8, abs=1e-4)  # the cube's front
    assert instances[60, 80] == 1
    assert set(np.unique(instances)) == {0, 1, 2}
    survey = Survey(scene, [camera], [View(np.zeros((120, 160, 3), np.uint8), depth, instances)])
    assert not survey.measurable(things[0])  # its back is not seen
    true, seen = survey.gap(*things)
    assert true == pytest.approx(1.2, abs=0.02)
    assert seen == pytest.approx(1.2, abs=0.05)


@pytest.mark.usefixtures("open3d")
def test_a_capture_is_the_same_each_time_and_asks_what_its_pictures_show(tmp_path: Path) -> None:
    from spatialclaw.evaluation.synth.captures import Order, tabletop
    from spatialclaw.evaluation.synth.render import Quality

    rows = []
    for name in ("one", "two"):
        order = Order(3, tmp_path / name, [name], "t", 200, 3, 6, Quality(1, 1, 0, 0))
        rows.append([replace(question, media=()) for question in tabletop(order)])
    assert rows[0] == rows[1]
    assert 1 <= len(rows[0]) <= 6
    record = json.loads((tmp_path / "one" / "transforms.json").read_text())
    assert len(record["frames"]) == 3
    for frame in record["frames"]:
        for kind in ("file_path", "depth_file_path", "instance_file_path"):
            one, two = (tmp_path / name / frame[kind] for name in ("one", "two"))
            assert one.read_bytes() == two.read_bytes()


def test_the_benchmark_goes_on_from_what_a_killed_call_left(tmp_path: Path) -> None:
    from spatialclaw.benchmarks.spatial_synth import generate, plans

    first, second = (plan for plan, _ in zip(plans(7), range(2), strict=False))
    (tmp_path / "parts").mkdir()
    for plan in (first, second):
        rows = [{"id": f"{plan.name}-{k}", "family": "count"} for k in range(plan.questions)]
        (tmp_path / "parts" / f"{plan.name}.json").write_text(json.dumps(rows))
    (tmp_path / "parts" / "room-7000002.part").write_text("[{")  # cut off while it was written
    listing = generate(tmp_path, 30, seed=7)
    ids = [json.loads(line)["id"] for line in listing.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 30
    assert ids[0].startswith("room-7000000")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["questions"] == 30
    assert manifest["families"] == {"count": 30}
    with pytest.raises(UsageError, match=r"another benchmark \(seed 7, not 8\)"):
        generate(tmp_path, 30, seed=8)


def test_the_benchmark_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    from spatialclaw.benchmarks.spatial_synth import generate, main

    with pytest.raises(UsageError, match="0 questions"):
        generate(tmp_path / "none", 0)
    with pytest.raises(UsageError, match="no degradation 'wild'"):
        generate(tmp_path / "none", 5, degrade="wild")
    assert not (tmp_path / "none").exists()
    assert main([str(tmp_path / "none"), "--degrade", "wild"]) == 2
