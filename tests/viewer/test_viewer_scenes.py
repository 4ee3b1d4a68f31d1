"""Scenes in 3D: what a cell makes comes into the record, and what a kernel may claim is bounded."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from viewer_runs import scene

from spatialclaw.kernel.collect import Collector
from spatialclaw.kernel.scene import SCENE_TYPE, BadScene, check_cloud, check_scene
from spatialclaw.traces import Run
from spatialclaw.traces.scenes import read_cloud, read_scene


def changed(path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(scene())
    *parents, last = path.split("/")
    place: Any = made
    for step in parents:
        place = place[int(step) if step.isdigit() else step]
    place[int(last) if last.isdigit() else last] = value
    return made


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cloud", "../../etc"),
        ("cloud", 7),
        ("cameras", "x"),
        ("cameras", [3]),
        ("cameras/0/pose", [0.0] * 16),
        ("boxes/0/center", [0, 0]),
        ("boxes/0/extent/1", float("nan")),
        ("boxes/0/extent/1", "1"),
        ("boxes/0/axes/0", True),
        ("lines/0/a/2", 1e300),
        ("lines", [{"a": [0, 0, 0], "b": [1, 1, 1]}] * 101),
        ("marks", {"0": 1}),
        ("cloud_data", [1, 2]),
        ("cloud_data/xyz", "not base64!"),
        ("cloud_data/xyz", base64.b64encode(b"\0" * 6).decode()),
        ("cloud_data/rgb", ""),
        ("cloud_data/low", None),
        ("cloud_data/high/0", float("inf")),
    ],
)
def test_what_is_no_scene_is_refused(path: str, value: Any) -> None:
    with pytest.raises(BadScene):
        check_scene(changed(path, value))


@pytest.mark.parametrize("raw", [None, 3, "scene", [], [scene()]])
def test_what_is_no_object_is_refused(raw: Any) -> None:
    with pytest.raises(BadScene):
        check_scene(raw)


def test_too_many_points_are_refused() -> None:
    many = b"\0" * 60_001
    cloud = scene()["cloud_data"] | {
        "xyz": base64.b64encode(many * 6).decode(),
        "rgb": base64.b64encode(many * 3).decode(),
    }
    with pytest.raises(BadScene):
        check_cloud(cloud)


def test_labels_are_short_and_plain_and_unknown_fields_are_dropped() -> None:
    made = check_scene(changed("boxes/0/label", "\x1b[31m\u202e" + "x" * 500) | {"script": "alert"})
    assert made["boxes"][0]["label"] == "[31m" + "x" * 76
    assert "script" not in made


def test_the_collector_keeps_a_few_good_scenes_and_notes_bad_ones() -> None:
    collector = Collector()
    for message in ({"cameras": 5}, *[scene()] * 6):
        collector.add("display_data", {"data": {SCENE_TYPE: message}})
    done = collector.finish("ok", seconds=0.1)
    assert len(done.scenes) == 4
    assert "malformed" in done.stderr


@pytest.mark.kernel
def test_what_cells_make_in_3d_is_recorded(tmp_path: Path, examples: Path) -> None:
    import spatialclaw as sc

    with sc.Session(examples / "room", runs_dir=tmp_path, frames=4) as session:
        session.run("x = 1")
        session.run("box = geometry.oriented_box(geometry.unproject(frames[0]), up=None)")
        session.run("d = measure.distance(box, frames[1])\nprint(d)")
        session.run("e = measure.distance(geometry.unproject(frames[0]), kind='closest')")
        session.run("class Box3D:\n    center = 'a lie'\nliar = Box3D()")
        run = Run(session.run_dir)
    cells = [cell.get("scenes") for cell in run.cells]
    assert [bool(names) for names in cells] == [False, True, True, True, False]
    made = read_scene(run, cells[1][0])
    assert made is not None
    assert made["unit"] == "m"
    assert len(made["cameras"]) == 4
    assert made["boxes"][0]["label"] == "box"
    cloud = read_cloud(run, f"scenes/{made['cloud']}.json")
    assert cloud is not None
    points = np.frombuffer(base64.b64decode(cloud["xyz"]), "<u2").reshape(-1, 3)
    assert 5_000 < len(points) <= 32_000
    after = read_scene(run, cells[2][0])
    assert after is not None
    assert after["cloud"] == made["cloud"]
    line = after["lines"][0]
    length = float(np.linalg.norm(np.subtract(line["a"], line["b"])))
    assert float(line["label"].split()[0]) == pytest.approx(length, rel=0.01)
    nearest = read_scene(run, cells[3][0])
    assert nearest is not None
    assert nearest["lines"][0]["label"].endswith("m closest")
    assert np.allclose(line["a"], made["boxes"][0]["center"], atol=1e-5)


@pytest.mark.kernel
def test_the_depth_that_a_cell_computed_gives_the_points(tmp_path: Path, examples: Path) -> None:
    import spatialclaw as sc

    with sc.Session(examples / "stereo", runs_dir=tmp_path) as session:
        session.run("deep = depth(frames[0])")
        session.run("d = measure.distance((300, 200), frame=frames[0], depth=deep)\nprint(d)")
        run = Run(session.run_dir)
    made = read_scene(run, run.cells[1]["scenes"][0])
    assert made is not None
    assert read_cloud(run, f"scenes/{made['cloud']}.json") is not None


@pytest.mark.kernel
def test_without_poses_the_axes_are_those_of_a_level_camera(tmp_path: Path, examples: Path) -> None:
    import spatialclaw as sc

    with sc.Session(examples / "room" / "images" / "01.jpg", runs_dir=tmp_path) as session:
        session.run("p = geometry.points([0.5, 0.2, 2.0], 'camera 0')")
        session.run("print(measure.distance(p, geometry.points([0, 0, 1.0], 'camera 0')))")
        run = Run(session.run_dir)
    made = read_scene(run, run.cells[1]["scenes"][0])
    assert made is not None
    assert made["note"] == "camera 0 taken as level"
    assert made["marks"] == [{"at": [0.5, 2.0, -0.2], "label": "p"}]
    assert made["lines"][0]["b"] == [0.0, 1.0, 0.0]


def test_a_scene_of_another_run_is_taken_along(tmp_path: Path) -> None:
    from viewer_runs import write_run

    from spatialclaw.traces import Recorder

    parent = write_run(tmp_path, "parent", scene=True)
    child = tmp_path / "child"
    child.mkdir()
    recorder = Recorder(child)
    recorder.branch_off(parent, None)
    recorder.close()
    run = Run(child)
    name = run.cells[0]["scenes"][0]
    made = read_scene(run, name)
    assert made is not None
    assert read_cloud(run, f"scenes/{made['cloud']}.json") is not None
    assert json.loads((child / name).read_text())["boxes"]
