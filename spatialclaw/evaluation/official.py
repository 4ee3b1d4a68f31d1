"""The figure that a benchmark's own authors give, beside the plain mean over questions.

Each function takes the results of a benchmark (one epoch, or the means over epochs) and gives named
figures in percent; the first one is the headline. What a subset lacks is averaged over what is
there, and said in the figure's name.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.scorers import aggregate

__all__ = ["OFFICIAL", "official_figures"]

Figures = dict[str, float]
Scored = Sequence[tuple[Result, float]]


def official_figures(benchmark: str, scored: Scored) -> Figures:
    """The figures of a benchmark's own authors; its pooled mean where that is theirs.

    Args:
        benchmark: Our name; what follows "@" (a subset) does not matter.
        scored: (result, score 0..1) of each question.
    """
    if not scored:
        return {}
    return OFFICIAL.get(benchmark.partition("@")[0], _pooled)(scored)


def _pooled(scored: Scored) -> Figures:
    return {"pooled accuracy": aggregate.pooled([score for _, score in scored])}


def _macro(name: str) -> Callable[[Scored], Figures]:
    def figure(scored: Scored) -> Figures:
        return {name: aggregate.macro((r.task, s) for r, s in scored)}

    return figure


def _vsi(scored: Scored) -> Figures:
    return {"mean of eight tasks": aggregate.vsi_overall((r.task, s) for r, s in scored)}


def _spbench(scored: Scored) -> Figures:
    """Means of the per-type scores, one image and several views apart."""
    found: Figures = {}
    for part in ("SI", "MV"):
        mine = [(r.task, s) for r, s in scored if r.uid.startswith(part)]
        if mine:
            found[f"{part}, mean of types"] = aggregate.macro(mine)
    return found or _macro("mean of types")(scored)


def _mindcube(scored: Scored) -> Figures:
    kept = [s for r, s in scored if "translation" not in (r.task, *r.tags.values())]
    return {"pooled without translation": aggregate.pooled(kept)}


def _dsi(scored: Scored) -> Figures:
    groups: dict[str, list[bool]] = defaultdict(list)
    for result, score in scored:
        groups[result.uid.rpartition("/")[2]].append(score > 0)
    whole = [aggregate.group_dsi(flags) for flags in groups.values() if len(flags) == 4]
    found = {"sample-wise": aggregate.pooled([s for _, s in scored])}
    if whole:
        found[f"group-wise ({len(whole)} whole groups)"] = 100 * sum(whole) / len(whole)
    return found


def _video_mme_v2(scored: Scored) -> Figures:
    groups: dict[str, list[tuple[str, Result, float]]] = defaultdict(list)
    for result, score in scored:
        groups[result.uid.rpartition("-")[0]].append((result.uid, result, score))
    values = []
    for members in groups.values():
        if len(members) != 4:
            continue
        members.sort(key=lambda member: member[0])
        right = [score > 0 for _, _, score in members]
        last = members[-1][1].extra
        if str(last.get("group_type")) == "logic":
            structure = ast.literal_eval(str(last.get("group_structure") or "[1, 2, 3, 4]"))
            values.append(aggregate.group_logic(right, structure))
        else:
            values.append(aggregate.group_relevance(right))
    found: Figures = {}
    if values:
        found[f"group score ({len(values)} whole groups)"] = sum(values) / len(values)
    return found | {"accuracy": aggregate.pooled([s for _, s in scored])}


def _robospatial(scored: Scored) -> Figures:
    found = _pooled(scored)
    for name in sorted({r.task for r, _ in scored}):
        found[name] = aggregate.pooled([s for r, s in scored if r.task == name])
    return found


_TREE: dict[str, Any] = {
    "L1": (0.25, {
        "Geometry": (0.5, {"Distance": (0.65, None), "Shape": (0.1, None), "Size": (0.25, None)}),
        "Localization": (0.2, {"3D Detection": (0.65, None), "3D Grounding": (0.35, None)}),
        "Relation": (0.15, {"Correspondence": (0.5, None), "Relative Direction": (0.5, None)}),
        "Orientation": (0.1, {"Gravity": (0.4, None), "Object Orientation": (0.6, None)}),
        "Motion": (0.05, {"Ego": (0.5, None), "Allo": (0.5, None)}),
    }),
    "L2": (0.25, {
        "Memory": (1.0, {"Cognitive Map": (0.7, None), "Memory Retrieval": (0.3, None)}),
        "Understanding": (1.0, {
            "Affordance": (0.25, None), "Motion Understanding": (0.25, None),
            "Perspective Taking": (0.05, None), "Relation Understanding": (0.35, None),
            "Spatial Caption": (0.1, None),
        }),
    }),
    "L3": (0.25, {
        "Causal Reasoning": (0.65, {
            "Dynamics": (0.3, None), "Geometry Puzzles": (0.55, None), "Relation": (0.15, None),
        }),
        "Sequential Planning": (0.35, {"Operation": (0.6, None), "Route": (0.4, None)}),
    }),
    "L4": (0.25, {
        "Goal-Driven Execution": (0.5, {"Agentic Navigation": (0.5, None),
                                        "Robotic Arm": (0.5, None)}),
        "Open-world Exploration": (0.5, {"Knowledge Acquisition": (0.7, None),
                                         "Self-Goaling": (0.3, None)}),
    }),
}  # fmt: skip


def _tree(scored: Scored) -> Figures:
    value, leaves = aggregate.weighted_tree(((r.group_path, s) for r, s in scored), _TREE)
    return {f"weighted tree ({len(leaves)} of 27 leaves)": 100 * value} | _pooled(scored)


def _cvbench_image(scored: Scored) -> Figures:
    """Half the mean of ADE20K and COCO (2D), half Omni3D (3D)."""
    means = dict.fromkeys(("ade", "coco", "omni3d"), None) | {
        name: aggregate.pooled(mine)
        for name in ("ade", "coco", "omni3d")
        if (mine := [s for r, s in scored if str(r.extra.get("source")).lower().startswith(name)])
    }
    flat = [mean for mean in (means["ade"], means["coco"]) if mean is not None]
    halves = [sum(flat) / len(flat)] if flat else []
    halves += [] if means["omni3d"] is None else [means["omni3d"]]
    if not halves:
        return _pooled(scored)
    name = "half 2D, half 3D" if len(halves) == 2 else "2D alone" if flat else "3D alone"
    return {name: sum(halves) / len(halves)} | _pooled(scored)


def _mmsi(scored: Scored) -> Figures:
    """Accuracy; of the circular subset the share of questions right in all four orders."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for result, score in scored:
        name, slash, _ = result.uid.partition("/")
        if slash:
            groups[name].append(score > 0)
    whole = [aggregate.group_circular(flags) for flags in groups.values() if len(flags) == 4]
    found = {f"circular ({len(whole)} whole groups)": aggregate.pooled(whole)} if whole else {}
    return found | _pooled(scored)


def _omni3d(scored: Scored) -> Figures:
    """The total, and the four columns of the paper."""
    columns = sorted({r.tags["column"] for r, _ in scored if "column" in r.tags})
    found = {"total": aggregate.pooled([s for _, s in scored])}
    for name in columns:
        found[name] = aggregate.pooled([s for r, s in scored if r.tags.get("column") == name])
    return found


OFFICIAL: dict[str, Callable[[Scored], Figures]] = {
    "vsi-bench": _vsi,
    "vsti-bench": _macro("mean of types"),
    "spar-bench": _macro("mean of tasks"),
    "blink": _macro("mean of categories"),
    "spatialeval": _macro("mean of tasks"),
    "spbench": _spbench,
    "mindcube": _mindcube,
    "dsi-bench": _dsi,
    "video-mme-v2": _video_mme_v2,
    "spatialtree-bench": _tree,
    "robospatial-home": _robospatial,
    "refspatial-bench": _robospatial,
    "cvbench-image": _cvbench_image,
    "omni3d-bench": _omni3d,
    "mmsi-bench": _mmsi,
}
"""By benchmark; for the others the pooled mean is the official figure too."""
