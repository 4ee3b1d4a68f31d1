"""Worked examples of every scorer: what a reply reads as, and what it scores."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialclaw.evaluation.scorers import REGISTRY, aggregate, mra, score

SQUARE = "[(0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.4)]"
OPTIONS = {"options": ["near", "far", "same"]}

CASES: list[tuple[str, str, str, dict[str, Any], float]] = [
    ("letter-first-token", "B", "B", {}, 1),
    ("letter-first-token", "b.", "B", {}, 1),
    ("letter-first-token", "B. the sofa", "B", {}, 1),
    ("letter-first-token", "The answer is B", "B", {}, 0),
    ("letter-first-token", "(B)", "B", {}, 0),
    ("letter-spbench", "<answer>C</answer>", "C", {}, 1),
    ("letter-spbench", "Answer: C", "C", {}, 1),
    ("letter-spbench", "C. lamp", "C", {}, 1),
    ("letter-spbench", "Answer: C. lamp", "C", {}, 0),
    ("letter-spbench", "C) lamp", "C", {}, 0),
    ("letter-spar", "B", "B", {}, 1),
    ("letter-spar", "b) behind it", "B", {}, 1),
    ("letter-spar", "Option B", "B", {}, 0),
    ("letter-spar", "Both, mostly A", "B", {}, 1),
    ("letter-spar", "", "B", {}, 0),
    ("letter-mindcube", "B. behind", "B", {}, 1),
    ("letter-mindcube", "Looking at A. and then C.", "C", {}, 1),
    ("letter-mindcube", "VITAMIN E. So the answer is B", "E", {}, 1),
    ("letter-mindcube", "My answer is D", "D", {}, 1),
    ("letter-mindcube", "<Answer> E </Answer>", "E", {}, 1),
    ("letter-mindcube", "left of it", "A", {}, 0),
    ("letter-mmsi", "``C``", "C", {}, 1),
    ("letter-mmsi", "It turned, so `B`", "B", {}, 1),
    ("letter-mmsi", "{D}", "D", {}, 1),
    ("letter-mmsi", "C is right", "C", {}, 0),
    ("letter-mmsi", "A or, rather, B", "B", {}, 1),
    ("letter-mmsi-video", '{"answer": "E"}', "E", {}, 0),
    ("letter-mmsi-video", '{"answer": "E", "why": ""}', "E", {}, 1),
    ("letter-mmsi-video", "\\boxed{B}", "B", {}, 1),
    ("letter-mmsi-video", "The answer is C, because ...", "C", {}, 1),
    ("letter-mmsi-video", "D. The left door", "D", {}, 1),
    ("letter-mmsi-video", "D, the left door", "D", {}, 0),
    ("letter-mmsi-video", "I think it is A", "A", {}, 0),
    ("letter-last-line", "B. front-left", "B. front-left", {}, 1),
    ("letter-last-line", "Reason: A?\nC", "C. left", {}, 1),
    ("letter-last-line", "It is a chair, so C", "C. left", {}, 0),
    ("letter-last-line", "(d)", "D. back", {}, 1),
    ("letter-last-line", "C\n", "C. left", {}, 1),
    ("letter-after-answer-colon", "Answer: C", "2", {}, 1),
    ("letter-after-answer-colon", "answer : b. Then Answer: D", "3", {}, 1),
    ("letter-after-answer-colon", "answer: c", "2", {}, 0),
    ("letter-after-answer-colon", "C", "2", {}, 0),
    ("letter-after-answer-colon", "unsure", "0", {}, 1),
    ("letter-osi", "C", "C", {}, 1),
    ("letter-osi", "[B] the red car", "B", {}, 1),
    ("letter-osi", "(A) or (D)", "A", {}, 1),
    ("letter-osi", "I see the bus, B", "B", {}, 0),
    ("letter-osi", "the second one", "B", {}, 0),
    ("letter-perception", "<answer>D</answer>", "D", {}, 1),
    ("letter-perception", "Answer: b", "B", {}, 1),
    ("letter-perception", "A looks likely, but E fits", "E", {}, 1),
    ("letter-perception", "<answer>option c</answer>", "C", {}, 1),
    ("letter-perception", "unclear", "B", {}, 0),
    ("letter-tag-first-char", "<answer>B</answer>", "B", {}, 1),
    ("letter-tag-first-char", "<answer>B: moving left</answer>", "B", {}, 1),
    ("letter-tag-first-char", "B", "B", {}, 0),
    ("letter-tag-first-char", "<answer>b</answer>", "B", {}, 0),
    ("text-tag-exact", "<answer>A</answer>", "A", {}, 1),
    ("text-tag-exact", "Yes", "Yes", {}, 1),
    ("text-tag-exact", "<answer>yes</answer>", "Yes", {}, 0),
    ("text-tag-exact", "<answer>A. Video 1</answer>", "A", {}, 0),
    ("text-tag-normalised", "<think>x</think><answer>C</answer>", "C", {}, 1),
    ("text-tag-normalised", "<answer> c. </answer>", "C", {}, 1),
    ("text-tag-normalised", "C", "C", {}, 0),
    ("text-tag-normalised", "<answer>C. left</answer>", "C", {}, 0),
    ("letter-first-capital", "G", "G", {"letters": "ABCDEFGH"}, 1),
    ("letter-first-capital", "Final Answer: H", "H", {"letters": "ABCDEFGH"}, 1),
    ("letter-first-capital", "The answer is (F).", "F", {"letters": "ABCDEFGH"}, 1),
    ("letter-first-capital", "Because of E", "B", {"letters": "ABCDEFGH"}, 1),
    ("letter-first-capital", "Frankly, D", "D", {"letters": "ABCDEFGH"}, 0),
    ("letter-first-capital", "Both B", "B", {}, 1),
    ("letter-first-capital", "Clearly D", "C", {}, 1),
    ("letter-leading", "(B)", "(B)", {}, 1),
    ("letter-leading", "b. left", "(B)", {}, 1),
    ("letter-leading", "Both are equal", "(B)", {}, 1),
    ("letter-leading", "the answer is A", "(A)", {}, 0),
    ("text-bare", "C", "C", {}, 1),
    ("text-bare", "c.", "C", {}, 1),
    ("text-bare", "C. left gripper", "C", {}, 0),
    ("text-bare", "Answer: C", "C", {}, 0),
    ("letter-spatialtree", "The answer is B", "B", OPTIONS, 1),
    ("letter-spatialtree", "Answer: C", "C", OPTIONS, 1),
    ("letter-spatialtree", "(A) seems wrong, (C)", "C", OPTIONS, 1),
    ("letter-spatialtree", "it ends up far away from the door", "B", OPTIONS, 1),
    ("letter-spatialtree", "hard to say", "B", OPTIONS, 0),
    ("first-char", "<answer>C</answer>", "C", {}, 1),
    ("first-char", "c, left", "C", {}, 1),
    ("first-char", "Option C", "C", {}, 0),
    ("mra", "2.0", "2.0", {}, 1),
    ("mra", "1.72", "2.0", {}, 0.8),
    ("mra", "3.1", "2.0", {}, 0),
    ("mra", "2.17 meters", "2.0", {}, 0.9),
    ("mra", "2.0m", "2.0", {}, 0),
    ("mra", "2.0m", "2.0", {"reader": "first-anywhere"}, 1),
    ("mra", "about two meters", "2.0", {"reader": "first-anywhere"}, 1),
    ("mra", "<answer>4</answer>", "4", {"reader": "words-first"}, 1),
    ("mra", "there are six chairs", "6", {"reader": "words-first"}, 1),
    ("mra", "I count 5", "6", {"reader": "words-first"}, 0.7),
    ("mra", "a total of 5 chairs", "5", {"reader": "words-first"}, 0),
    ("mra", "forty-two", "42", {"reader": "words-first"}, 0),
    ("mra", "between 1.5 and 3.0", "1.5", {"reader": "spar-single", "zero": "absolute"}, 1),
    ("mra", "between 1.5 and 3.0", "3.0", {"reader": "spar-multi", "zero": "absolute"}, 1),
    ("mra", "2.17 m", "2.0", {"reader": "spar-single", "zero": "absolute"}, 0.9),
    ("mra", "0.12", "0", {"reader": "spar-single", "zero": "absolute"}, 0.8),
    ("mra", "close by", "1.5", {"reader": "spar-single", "zero": "absolute"}, 0),
    ("mra", "4.6", "5", {"reader": "last"}, 0.9),
    ("mra", "first 3, then 5", "5", {"reader": "last"}, 1),
    ("mra", "0.2", "0", {"reader": "last", "zero": 0.3}, 1),
    ("mra", "0.40", "0", {"reader": "last", "zero": 0.3}, 0.4),
    ("mra", "1.9", "0", {"reader": "last", "zero": 2.0}, 1),
    ("mra", "1", "0", {"reader": "last"}, 0),
    ("mra", "3", "3", {"reader": "first-signed"}, 1),
    ("mra", "1,200 mm", "1200", {"reader": "first-signed"}, 1),
    ("mra", "(10, 20) then 4", "4", {"reader": "first-signed"}, 0),
    ("typed-omni3d", "3", "3", {"answer_type": "int"}, 1),
    ("typed-omni3d", "3.0", "3", {"answer_type": "int"}, 0),
    ("typed-omni3d", "Yes", "yes", {"answer_type": "str"}, 1),
    ("typed-omni3d", "the chair", "chair", {"answer_type": "str"}, 0),
    ("typed-omni3d", "2.17", "2.0", {"answer_type": "float"}, 0.9),
    ("typed-omni3d", "1.0", "2.0", {"answer_type": "float"}, 0),
    ("vci", "move_right:1.0,rotate_left:30", "move_right:1.0,rotate_left:30", {}, 1),
    ("vci", "move_right:1.0", "move_right:1.0,rotate_left:30", {}, 0.8),
    ("vci", "move_left:1.0", "move_right:1.0", {}, 0.8),
    ("vci", "move_right:1.6", "move_right:1.0", {}, 0.86),
    ("vci", "move right 1 metre", "move_right:1.0", {}, 0),
    ("number-same-form", "12", "12", {}, 1),
    ("number-same-form", "12.0", "12", {}, 0),
    ("number-same-form", "0.456", "0.46", {}, 1),
    ("number-same-form", "1,200", "1200", {}, 0),
    ("robospatial", "Yes, it fits", "yes", {}, 1),
    ("robospatial", "Not really", "no", {}, 1),
    ("robospatial", "I think yes", "yes", {}, 0),
    ("robospatial", "[(0.25, 0.25), (0.9, 0.9)]", SQUARE, {}, 1),
    ("robospatial", "[[0.9, 0.9], [0.25, 0.25]]", SQUARE, {}, 0),
    ("robospatial", "0.25, 0.25", SQUARE, {}, 0),
    ("yes-no-last", "Yes", "yes", {}, 1),
    ("yes-no-last", "No... on reflection yes", "yes", {}, 1),
    ("yes-no-last", "The knob turns", "no", {}, 1),
    ("yes-no-last", "maybe", "no", {}, 0),
    ("contains-oracle", "There are 3 right turns.", "3", {"question": 0}, 1),
    ("contains-oracle", "three", "3", {"question": 0}, 1),
    ("contains-oracle", "10 turns", "1", {"question": 1}, 1),
    ("contains-oracle", "Yes, it is", "Yes", {"question": 2}, 1),
    ("contains-oracle", "It is not.", "No", {"question": 2}, 1),
    ("contains-oracle", "Hard to say", "No", {"question": 2}, 1),
]


@pytest.mark.parametrize(("name", "reply", "truth", "args", "expected"), CASES)
def test_worked_examples(
    name: str, reply: str, truth: str, args: dict[str, Any], expected: float
) -> None:
    assert score(name, reply, truth, args).score == pytest.approx(expected, abs=1e-9)


def test_masks_are_read_at_the_points_said() -> None:
    mask = np.zeros((100, 200))
    mask[20:60, 50:150] = 1
    for reply, expected in (
        ("[(0.5, 0.4)]", 1),
        ("[(0.5, 0.4), (0.9, 0.9)]", 0.5),
        ("[(0.5, 0.4), (1.5, 0.4)]", 0.5),
        ("nowhere", 0),
    ):
        assert score("share-in-mask", reply, "", {"mask": mask}).score == expected
    assert score("any-in-mask", "(10, 10), [500, 400]", "", {"mask": mask}).score == 1
    grey = np.zeros((101, 101))
    grey[:, 50:] = 255
    for reply, expected in (
        ("(0.75, 0.5)", 1),
        ("(20, 50)", 0),
        ("first (0.9, 0.5), better x=0.1, y=0.5", 0),
    ):
        assert score("mask-at-last-point", reply, "", {"mask": grey}).score == expected


def test_gravity_is_a_bell_around_the_truth() -> None:
    args = {"uncertainty": {"roll": 2, "pitch": 2, "vfov": 5}}
    truth = json.dumps({"roll": 2, "pitch": -5, "vfov": 60})
    assert score("gravity", truth, truth, args).score == pytest.approx(1)
    off = "```json\n" + json.dumps({"roll": 4, "pitch": -5, "vfov": 65}) + "\n```"
    assert score("gravity", off, truth, args).score == pytest.approx(0.7377, abs=1e-4)
    assert score("gravity", "roll: 2, pitch: -5", truth, args).score == pytest.approx(2 / 3)
    assert score("gravity", "level", truth, args).score == 0


def step(action: str, count: float) -> str:
    return json.dumps({"1": {"actions": [action], "step_nums": [count]}})


@pytest.mark.parametrize(
    ("reply", "truth", "args", "expected"),
    [
        (step("W", 10), step("W", 10), {}, 1),
        (step("W", 12.5), step("W", 10), {}, 0.825),
        (step("W", 0), step("W", 10), {"arm": True}, 0.1903),
        ("forwards", step("W", 10), {}, 0),
    ],
)
def test_trajectories(reply: str, truth: str, args: dict[str, Any], expected: float) -> None:
    assert score("trajectory", reply, truth, args).score == pytest.approx(expected, abs=1e-4)


def test_a_trajectory_the_other_way_keeps_only_its_end_rotation() -> None:
    reply = json.dumps(
        {
            "1": {"actions": ["W"], "step_nums": [10]},
            "2": {"actions": ["→"], "step_nums": [20]},
        }
    )
    got = score("trajectory", reply, step("S", 10)).score
    assert got == pytest.approx(0.2364, abs=1e-4)


TRUE_MAP = {
    "lamp": {"position": [2, 5], "facing": "right"},
    "sofa": {"position": [5, 5]},
    "door": {"position": [5, 9]},
}


@pytest.mark.parametrize(
    ("predicted", "letter", "expected"),
    [
        (TRUE_MAP, "B", 1),
        (TRUE_MAP, "C", 0.8),
        (
            {
                "lamp": {"position": [5, 2], "facing": "down"},
                "sofa": {"position": [5, 5]},
                "door": {"position": [1, 5]},
            },
            "B",
            1,
        ),
        (
            {"lamp": {"position": [2, 5], "facing": "up"}, "sofa": {"position": [5, 5]}},
            "B",
            0.62,
        ),
        (
            {
                "lamp": {"position": [8, 5], "facing": "right"},
                "sofa": {"position": [5, 5]},
                "door": {"position": [5, 9]},
            },
            "B",
            0.66,
        ),
        (None, "B", 0.2),
    ],
)
def test_cognitive_maps(predicted: Any, letter: str, expected: float) -> None:
    reply = f"{json.dumps(predicted) if predicted else ''}\nMy answer is {letter}"
    got = score("cognitive-map", reply, json.dumps(TRUE_MAP), {"letter": "B"}).score
    assert got == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("right", "structure", "expected"),
    [
        ([1, 1, 0, 1], [1, 2, 3, 4], 25),
        ([0, 1, 1, 1], [1, 2, 3, 4], 0),
        ([1, 0, 1, 1], [1, [2, 3], 4], 400 / 12),
        ([1, 0, 0, 1], [1, [2, 3], 4], 100 / 12),
        ([0, 1, 1, 1], [[1, 2], 3, 4], 10),
        ([1, 1, 1, 0], [[1, 2], 3, 4], 50),
    ],
)
def test_groups_by_logic(right: list[int], structure: list[Any], expected: float) -> None:
    assert aggregate.group_logic(right, structure) == pytest.approx(expected)


def test_groups_and_means() -> None:
    assert aggregate.group_circular([1, 1, 1, 1]) == 1
    assert aggregate.group_circular([1, 1, 1, 0]) == 0
    assert aggregate.group_dsi([1, 0, 1, 1]) == 1
    assert aggregate.group_dsi([1, 0, 1, 0]) == 0
    assert aggregate.group_relevance([1, 1, 1, 0]) == 56.25
    four, sixteen = [("a", 1.0)] * 3 + [("a", 0.0)], [("b", 1.0)] + [("b", 0.0)] * 15
    assert aggregate.pooled([s for _, s in four + sixteen]) == pytest.approx(20)
    assert aggregate.macro(four + sixteen) == pytest.approx(40.625)
    assert aggregate.macro(four, categories=["a", "b", "c"]) == pytest.approx(25)


def test_vsi_averages_the_directions_first() -> None:
    means = {
        "object_rel_direction_easy": 0.9,
        "object_rel_direction_medium": 0.6,
        "object_rel_direction_hard": 0.3,
        "object_rel_distance": 0.5,
        "route_planning": 0.4,
        "obj_appearance_order": 0.2,
        "object_abs_distance": 0.4,
        "object_counting": 0.6,
        "object_size_estimation": 0.7,
        "room_size_estimation": 0.6,
    }
    assert aggregate.vsi_overall(means.items()) == pytest.approx(50.0)
    only_hard = {name: float(name.endswith("hard")) for name in means}
    assert aggregate.vsi_overall(only_hard.items()) == pytest.approx(100 / 24)


def test_a_tree_weighs_its_leaves() -> None:
    tree = {
        "L1": (0.25, {"Geometry": (0.5, {"Distance": (0.65, None), "Shape": (0.35, None)})}),
        "L2": (0.75, None),
    }
    value, present = aggregate.weighted_tree([(["L1", "Geometry", "Distance"], 1.0)], tree)
    assert value == pytest.approx(0.25 * 1 * 0.65)
    assert present == ["l1/geometry/distance"]


ALL = sorted(set(REGISTRY))


# What scorers need of a row.
ARGS: dict[str, Any] = {
    "mask": np.ones((4, 4)),
    "letter": "A",
    "poses": [[0, 0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 1]],
    "segments": {"0->1": {}},
}


@pytest.mark.parametrize(
    ("arm", "reply", "expected"),
    [
        (True, {"0": {"actions": ["W"], "step_nums": [10]}}, 1.0),
        (True, {"0": {"actions": ["S"], "step_nums": [10]}}, 0.25 + 0.35 * np.exp(-13.863 * 0.4)),
        (True, {"0": {"actions": ["STOP"]}}, 0.7 * (0.35 * np.exp(-13.863 * 0.2) + 0.25)),
        (True, {}, 1.0),  # compared with the start: the own code cuts the truth to what was replied
        (False, {"actions": ["W", "→"], "step_nums": [10, 20]}, 0.75 + 0.25 * np.exp(-0.0154 * 4)),
        (False, {"actions": ["W"], "step_nums": ["x"]}, 0.0),
        (False, {"actions": 3, "step_nums": 4}, 0.0),
        (False, [], 0.0),
    ],
)
def test_trajectories_are_compared_with_poses(arm: bool, reply: Any, expected: float) -> None:
    poses = [[0, 0, 0, 0, 0, 0, 1], [0, 0, 0.2, 0, 0, 0, 1]]
    args = {"poses": poses, "segments": {"0->1": {"translation_step_size": 0.02}}, "arm": arm}
    assert score("pose-trajectory", json.dumps(reply), "", args).score == pytest.approx(expected)


@given(st.sampled_from(ALL), st.text(max_size=60), st.sampled_from(["A", "yes", "2.0", SQUARE]))
def test_any_reply_scores_between_0_and_1(name: str, reply: str, truth: str) -> None:
    if name == "letter-after-answer-colon" and not truth.isalpha():
        truth = "1"
    got = score(name, reply, truth, ARGS)
    assert 0 <= got.score <= 1


@given(st.sampled_from(ALL), st.sampled_from(["", " ", "\n\t"]))
def test_no_answer_is_a_wrong_answer(name: str, reply: str) -> None:
    for truth in ("A", "yes", "0", "0.0"):
        args = ARGS
        assert score(name, reply, truth, args).score == 0


@given(
    st.floats(0.01, 1e6), st.floats(0, 1e6), st.floats(0.001, 1000), st.sampled_from([True, False])
)
def test_relative_accuracy_does_not_know_units(
    truth: float, predicted: float, factor: float, strict: bool
) -> None:
    got = mra(predicted, truth, strict=strict)
    scaled = mra(predicted * factor, truth * factor, strict=strict)
    # An error that lies on a threshold may fall either way.
    assert abs(got - scaled) <= 0.1 + 1e-9
    assert mra(truth, truth, strict=strict) == 1


@pytest.mark.parametrize(
    ("predicted", "plain", "strict"),
    [
        (2.0, 1, 1),
        (1.72, 0.8, 0.8),
        (2.17, 0.9, 0.9),
        (1.32, 0.4, 0.4),
        (2.85, 0.2, 0.2),
        (3.1, 0, 0),
    ],
)
def test_mra_of_two_metres(predicted: float, plain: float, strict: float) -> None:
    assert mra(predicted, 2.0) == pytest.approx(plain)
    assert mra(predicted, 2.0, strict=True) == pytest.approx(strict)


def test_mra_on_a_threshold_falls_as_the_published_arithmetic_does() -> None:
    assert mra(4, 5) == pytest.approx(0.6)
