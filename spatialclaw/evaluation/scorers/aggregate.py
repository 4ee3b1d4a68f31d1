"""From scores of questions to figures of benchmarks: groups, means of means, trees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "group_circular",
    "group_dsi",
    "group_logic",
    "group_relevance",
    "macro",
    "pooled",
    "vsi_overall",
    "weighted_tree",
]


def pooled(scores: Sequence[float]) -> float:
    """Mean over questions, times 100; 0 for none."""
    return 100 * sum(scores) / len(scores) if scores else 0.0


def macro(scores: Iterable[tuple[str, float]], *, categories: Iterable[str] = ()) -> float:
    """Mean of the means of categories, times 100.

    Args:
        scores: (category, score) of each question.
        categories: Those that must be there; one without a question counts as 0.
    """
    means = {name: 0.0 for name in categories} | _means(scores)
    return 100 * sum(means.values()) / len(means) if means else 0.0


def _means(scores: Iterable[tuple[str, float]]) -> dict[str, float]:
    grouped: dict[str, list[float]] = defaultdict(list)
    for name, score in scores:
        grouped[name].append(score)
    return {name: sum(values) / len(values) for name, values in grouped.items()}


def group_circular(right: Sequence[bool | int]) -> float:
    """1 if every order of the options was answered right (MMSI)."""
    return float(bool(right) and all(right))


def group_dsi(right: Sequence[bool | int]) -> float:
    """1 if at least 3 of the 4 versions are right (DSI)."""
    return float(sum(map(bool, right)) >= 3)


_RELEVANCE = (0.0, 6.25, 25.0, 56.25, 100.0)


def group_relevance(right: Sequence[bool | int]) -> float:
    """0..100 by the number of right answers of a group of four (Video-MME-v2)."""
    return _RELEVANCE[sum(map(bool, right))]


def group_logic(right: Sequence[bool | int], structure: Sequence[Any]) -> float:
    """0..100 by the right answers before the first wrong one (Video-MME-v2).

    Args:
        right: Four flags in the order of the questions.
        structure: ``[1, 2, 3, 4]``, ``[1, [2, 3], 4]`` or ``[[1, 2], 3, 4]``.
    """
    flags = [bool(flag) for flag in right]
    run = next((i for i, flag in enumerate(flags) if not flag), len(flags))
    shape = [len(part) if isinstance(part, list) else 1 for part in structure]
    if shape == [1, 2, 1]:
        run = 2 if run == 1 and flags[2] else run
        return (0.0, 100 / 12, 400 / 12, 700 / 12, 100.0)[run]
    if shape == [2, 1, 1]:
        run = 1 if run == 0 and flags[1] else run
        return (0.0, 10.0, 20.0, 50.0, 100.0)[run]
    return _RELEVANCE[run]


_DIRECTIONS = "object_rel_direction"


def vsi_overall(scores: Iterable[tuple[str, float]]) -> float:
    """Mean of VSI-Bench's eight tasks, times 100; the three directions are averaged first.

    A subset that lacks some averages those that are present.
    """
    means = _means(scores)
    directions = [mean for name, mean in means.items() if name.startswith(_DIRECTIONS)]
    tasks = [mean for name, mean in means.items() if not name.startswith(_DIRECTIONS)]
    if directions:
        tasks.append(sum(directions) / len(directions))
    return 100 * sum(tasks) / len(tasks) if tasks else 0.0


def weighted_tree(
    scores: Iterable[tuple[Sequence[str], float]], tree: Mapping[str, Any]
) -> tuple[float, list[str]]:
    """The score of a weighted tree of abilities (SpatialTree).

    Args:
        scores: (path of names from the root, score) of each question.
        tree: name -> (weight, subtree or None); weights of siblings are divided by their sum.

    Returns:
        0..1, and the paths of the leaves that had a question. A leaf without one counts 0.
    """
    means = _means((_path(path), score) for path, score in scores)
    present: list[str] = []

    def visit(node: Mapping[str, Any], prefix: tuple[str, ...]) -> float:
        total = sum(weight for weight, _ in node.values())
        value = 0.0
        for name, (weight, children) in node.items():
            path = (*prefix, name)
            if children:
                score = visit(children, path)
            else:
                key = _path(path)
                score = means.get(key, 0.0)
                present.extend([key] if key in means else [])
            value += weight / total * score
        return value

    return visit(tree, ()), present


def _path(names: Sequence[str]) -> str:
    return "/".join(name.replace(" ", "").lower() for name in names)
