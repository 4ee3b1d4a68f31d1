"""Evaluations side by side: what differs in their making, then what differs in the answers."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.manifest import differences, read_manifest
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.report import Table, markdown_table
from spatialclaw.evaluation.statistics import (
    Difference,
    cluster_interval,
    holm,
    paired_difference,
)
from spatialclaw.evaluation.store import read_results
from spatialclaw.evaluation.summary import by_question, group_of

__all__ = ["compare", "comparison_csv", "comparison_markdown", "comparison_tables"]

FLIPPED_SHOWN = 20


@dataclass(frozen=True)
class _Side:
    name: str
    folder: Path
    manifest: Mapping[str, Any]
    results: Sequence[Result]


def compare(folders: Sequence[Path], *, seed: int = 0) -> dict[str, Any]:
    """Compares evaluations with the first of them.

    Questions are paired by benchmark and id; one that either side lacks, or whose infrastructure
    failed, is left out and counted. Scores of several epochs are averaged first.

    Args:
        folders: Two or more.
        seed: Of the resampling.

    Returns:
        JSON values: ``differences`` of the manifests, and for each benchmark the figures of each
        side, and for each further side the paired difference in all, by type of question, and the
        questions that flipped.

    Raises:
        UsageError: Fewer than two folders, one of them twice, or no question in common.
        RunError: One holds no evaluation.
    """
    if len(folders) < 2:
        raise UsageError("one evaluation is nothing to compare", hint="Name two or more folders.")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("one folder is named twice")
    sides = [
        _Side(name, folder, read_manifest(folder), read_results(folder))
        for name, folder in zip(_names(folders), folders, strict=True)
    ]
    shared = _shared(sides)
    if not shared:
        raise UsageError("these evaluations have no benchmark in common")
    comparison = {
        "schema": 1,
        "sides": [{"name": side.name, "folder": str(side.folder)} for side in sides],
        "differences": _differences(sides),
        "benchmarks": {title: _benchmark(names, sides, seed) for title, names in shared.items()},
    }
    if not any(b["against"][side.name]["n"] for b in comparison["benchmarks"].values()  # type: ignore[attr-defined]
               for side in sides[1:]):  # fmt: skip
        raise UsageError("these evaluations have no answered question in common")
    return comparison


def _shared(sides: Sequence[_Side]) -> dict[str, list[str]]:
    """The benchmarks that all sides have: title -> its name on each side.

    Subsets of one benchmark ("vsi-bench", "vsi-bench@debiased") are paired by the questions that
    they share, where a side has only one of them.
    """
    found: dict[str, list[str]] = {}
    for entry in sides[0].manifest["benchmarks"]:
        name = entry["name"]
        names = [_name_there(name, side) for side in sides]
        if all(names):
            title = name if len(set(names)) == 1 else name.partition("@")[0]
            found[title] = [there for there in names if there is not None]
    return found


def _name_there(name: str, side: _Side) -> str | None:
    theirs = [benchmark["name"] for benchmark in side.manifest["benchmarks"]]
    alike = [other for other in theirs if other.partition("@")[0] == name.partition("@")[0]]
    return name if name in theirs else alike[0] if len(alike) == 1 else None


def _names(folders: Sequence[Path]) -> list[str]:
    """Short names that tell the folders apart."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    return [f"{chr(65 + i)}:{name}" for i, name in enumerate(names)]


def _differences(sides: Sequence[_Side]) -> list[dict[str, Any]]:
    """What differs in the manifests: settings that change answers first, circumstances after."""
    found: dict[str, dict[str, Any]] = {}
    for all_facts in (False, True):
        for side in sides[1:]:
            for name, old, new in differences(
                sides[0].manifest, side.manifest, all_facts=all_facts, paired=True
            ):
                entry = found.setdefault(
                    name, {"name": name, "matters": not all_facts, "values": {}}
                )
                entry["values"].setdefault(sides[0].name, old)
                entry["values"][side.name] = new
    for entry in found.values():
        for side in sides:
            entry["values"].setdefault(side.name, entry["values"][sides[0].name])
    return list(found.values())


def _benchmark(names: Sequence[str], sides: Sequence[_Side], seed: int) -> dict[str, Any]:
    mine = {
        side.name: [r for r in side.results if r.benchmark == name]
        for side, name in zip(sides, names, strict=True)
    }
    first = sides[0].name
    return {
        "sides": {side: _figures(results, seed) for side, results in mine.items()},
        "against": {side.name: _paired(mine[first], mine[side.name], seed) for side in sides[1:]},
    }


def _figures(results: Sequence[Result], seed: int) -> dict[str, Any]:
    scored = {uid: runs for uid, runs in by_question(results).items()}
    scores = [fmean(r.score or 0.0 for r in runs) for runs in scored.values()]
    groups = [group_of(runs[0]) for runs in scored.values()]
    mean = cluster_interval(scores, groups, seed=seed).scaled(100) if scores else None
    costs = [r.cost for r in results if r.cost is not None]
    return {
        "questions": len(scored),
        "mean": None if mean is None else _rounded(asdict(mean)),
        "model_failed": sum(r.outcome == "model_failed" for r in results),
        "infra_failed": sum(r.outcome == "infra_failed" for r in results),
        "cost_usd": round(sum(costs), 6) if costs else None,
        "seconds_median": round(median(r.seconds for r in results), 2) if results else None,
        "steps_mean": round(fmean(r.steps for r in results), 2) if results else None,
        "tokens": sum(
            int(r.usage.get("input_tokens") or 0) + int(r.usage.get("output_tokens") or 0)
            for r in results
        ),
    }


def _paired(a: Sequence[Result], b: Sequence[Result], seed: int) -> dict[str, Any]:
    first, second = by_question(a), by_question(b)
    both = [uid for uid in first if uid in second]
    everything = {r.uid for r in (*a, *b)}
    paired: dict[str, Any] = {
        "n": len(both),
        "left_out": len(everything) - len(both),
        "difference": None,
        "verdict": "nothing in common",
        "tasks": {},
        "flipped": [],
    }
    if not both:
        return paired
    scores = {
        uid: (fmean(r.score or 0.0 for r in first[uid]), fmean(r.score or 0.0 for r in second[uid]))
        for uid in both
    }
    whole = _difference(both, scores, first, seed)
    paired["difference"] = _shown(whole)
    paired["verdict"] = _verdict(whole)
    tasks: dict[str, list[str]] = defaultdict(list)
    for uid in both:
        tasks[first[uid][0].task or "all"].append(uid)
    if len(tasks) > 1:
        parts = {t: _difference(uids, scores, first, seed) for t, uids in sorted(tasks.items())}
        adjusted = holm([part.p for part in parts.values()])
        paired["tasks"] = {
            task: _shown(part) | {"p_holm": round(p, 5)}
            for (task, part), p in zip(parts.items(), adjusted, strict=True)
        }
    paired["flipped"] = _flipped(both, scores, first, second)
    return paired


def _difference(
    uids: Sequence[str],
    scores: Mapping[str, tuple[float, float]],
    runs: Mapping[str, Sequence[Result]],
    seed: int,
) -> Difference:
    a, b = zip(*(scores[uid] for uid in uids), strict=True)
    return paired_difference(a, b, [group_of(runs[uid][0]) for uid in uids], seed=seed)


def _shown(d: Difference) -> dict[str, Any]:
    facts = asdict(d)
    for name in ("value", "low", "high"):
        facts[name] = round(100 * facts[name], 2)
    facts["p"] = round(d.p, 5)
    facts["mcnemar"] = None if d.mcnemar is None else round(d.mcnemar, 5)
    return facts


def _verdict(d: Difference) -> str:
    if not d.clear:
        return "within the noise"
    return "better" if d.value > 0 else "worse"


def _flipped(
    uids: Sequence[str],
    scores: Mapping[str, tuple[float, float]],
    first: Mapping[str, Sequence[Result]],
    second: Mapping[str, Sequence[Result]],
) -> list[dict[str, Any]]:
    """The questions whose score changed, those that changed most first."""
    changed = [uid for uid in uids if scores[uid][0] != scores[uid][1]]
    changed.sort(key=lambda uid: (-abs(scores[uid][1] - scores[uid][0]), first[uid][0].index))
    return [
        {
            "uid": uid,
            "task": first[uid][0].task,
            "truth": first[uid][0].truth,
            "scores": [round(score, 4) for score in scores[uid]],
            "read": [runs[uid][0].read for runs in (first, second)],
            "runs": [runs[uid][0].run for runs in (first, second)],
        }
        for uid in changed
    ]


def _rounded(facts: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 2) if k in ("value", "low", "high") else v for k, v in facts.items()}


def comparison_tables(comparison: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """(title, table) of everything that a person wants to see, in order."""
    names = [side["name"] for side in comparison["sides"]]
    differing = [
        [d["name"] if d["matters"] else f"({d['name']})",
         *("unset" if d["values"][n] is None else str(d["values"][n]) for n in names)]
        for d in comparison["differences"]
    ]  # fmt: skip
    title = "What differs in how they were made (in brackets: circumstances)"
    tables: list[tuple[str, Table]] = [(title, (["", *names], differing))]
    for benchmark, facts in comparison["benchmarks"].items():
        tables.append((benchmark, _overview(names, facts)))
        for name, paired in facts["against"].items():
            if paired["tasks"]:
                tables.append((f"{benchmark}: {name} by type", _by_task(paired["tasks"])))
            if paired["flipped"]:
                shown = min(FLIPPED_SHOWN, len(paired["flipped"]))
                title = f"{benchmark}: {name}, {shown} of {len(paired['flipped'])} flipped"
                tables.append((title, _flips(names[0], name, paired["flipped"][:shown])))
    return tables


def _overview(names: Sequence[str], facts: Mapping[str, Any]) -> Table:
    head = ["", "n", "mean", "95 %", "difference", "95 %", "p", "McNemar", "verdict", "s", "cost",
            "tokens", "infra"]  # fmt: skip
    rows = []
    for name in names:
        side = facts["sides"][name]
        mean = side["mean"]
        row = [name, str(side["questions"])]
        row += [f"{mean['value']:.1f}", _span(mean)] if mean else ["-", "-"]
        paired = facts["against"].get(name)
        d = paired["difference"] if paired else None
        if d is not None:
            mcnemar = "-" if d["mcnemar"] is None else f"{d['mcnemar']:.3g}"
            row += [f"{d['value']:+.1f}", _span(d), f"{d['p']:.3g}", mcnemar, paired["verdict"]]
        else:
            row += ["-"] * 4 + [paired["verdict"] if paired else "base"]
        cost = side["cost_usd"]
        seconds = side["seconds_median"]
        row += [
            "-" if seconds is None else f"{seconds:.1f}",
            "-" if cost is None else f"${cost:.2f}",
            f"{side['tokens']:,}",
            str(side["infra_failed"]),
        ]
        rows.append(row)
    return head, rows


def _by_task(tasks: Mapping[str, Any]) -> Table:
    head = ["type", "n", "difference", "95 %", "p (Holm)", "gained", "lost"]
    return head, [
        [task, str(d["n"]), f"{d['value']:+.1f}", _span(d), f"{d['p_holm']:.3g}",
         str(d["gained"]), str(d["lost"])]
        for task, d in tasks.items()
    ]  # fmt: skip


def _flips(a: str, b: str, flipped: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [f["uid"], f["task"], f["truth"], str(f["read"][0]), str(f["read"][1]),
         f"{f['scores'][0]:g} -> {f['scores'][1]:g}"]
        for f in flipped
    ]  # fmt: skip
    return ["id", "type", "truth", f"read {a}", f"read {b}", "score"], rows


def _span(facts: Mapping[str, Any]) -> str:
    return f"{facts['low']:.1f} to {facts['high']:.1f}"


def comparison_markdown(comparison: Mapping[str, Any]) -> str:
    """The comparison as a Markdown page."""
    parts = ["# Comparison"]
    for title, table in comparison_tables(comparison):
        parts.append(f"## {title}")
        parts.append(markdown_table(table) if table[1] else "Nothing.")
    parts.append(
        "`difference`: paired, in points, with whole scenes or videos resampled; `p`: sign-flip "
        "permutation over scenes or videos; `McNemar`: exact, where every score is 0 or 1; by type "
        "p is adjusted by Holm's method."
    )
    return "\n\n".join(parts) + "\n"


def comparison_csv(comparison: Mapping[str, Any]) -> str:
    """A line for each benchmark, type of question and further side."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["benchmark", "against", "type", "n", "difference", "low", "high", "p", "mcnemar",
            "gained", "lost"]  # fmt: skip
    writer.writerow(head)
    for benchmark, facts in comparison["benchmarks"].items():
        for name, paired in facts["against"].items():
            parts = {"all": paired["difference"], **paired["tasks"]}
            for task, d in parts.items():
                if d is not None:
                    values = (d[k] for k in ("n", "value", "low", "high", "p", "mcnemar",
                                             "gained", "lost"))  # fmt: skip
                    writer.writerow([benchmark, name, task, *values])
    return out.getvalue()
