"""From results to figures: two means, three outcomes, two denominators, intervals, break-downs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, median, pstdev
from typing import Any

from spatialclaw.evaluation.official import official_figures
from spatialclaw.evaluation.published import published_lines
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.statistics import Interval, bootstrap_of, cluster_interval, pass_at_k

__all__ = ["by_question", "group_of", "summarise"]

# A figure of fewer questions is no category of its own in a table.
_DISTRIBUTION = 12


def by_question(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The scored results of each question over the epochs (infrastructure failures left out)."""
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.score is not None:
            found[result.uid].append(result)
    return dict(found)


def group_of(result: Result) -> str:
    """What intervals are clustered by: scene or video, else the question itself."""
    return result.group or f"question {result.uid}"


def summarise(
    results: Sequence[Result], manifest: Mapping[str, Any], *, seed: int = 0
) -> dict[str, Any]:
    """All figures of an evaluation, as JSON values; percent where it says so.

    Args:
        results: Of all benchmarks and epochs.
        manifest: Of the evaluation.
        seed: Of the resampling.
    """
    benchmarks = {}
    for entry in manifest.get("benchmarks") or ():
        mine = [r for r in results if r.benchmark == entry["name"]]
        wanted = len(entry["ids"]) * int(manifest.get("epochs") or 1)
        benchmarks[entry["name"]] = _benchmark(entry["name"], mine, wanted, seed)
    return {
        "schema": 1,
        "benchmarks": benchmarks,
        "complete": all(b["pending"] == 0 and b["infra_failed"] == 0 for b in benchmarks.values()),
        "backend": (manifest.get("backend") or {}).get("name"),
        "model": (manifest.get("backend") or {}).get("model"),
        "interface": (manifest.get("settings") or {}).get("interface"),
        "epochs": manifest.get("epochs"),
        "cost_usd": _sum(r.cost for r in results),
        "seconds": round(sum(r.seconds for r in results), 1),
    }


def _benchmark(name: str, results: Sequence[Result], wanted: int, seed: int) -> dict[str, Any]:
    outcomes = Counter(r.outcome for r in results)
    questions = by_question(results)
    scored = [(runs[0], fmean(r.score or 0.0 for r in runs)) for runs in questions.values()]
    summary: dict[str, Any] = {
        "questions": wanted,
        "pending": wanted - len(results),
        "answered": outcomes["answered"],
        "model_failed": outcomes["model_failed"],
        "infra_failed": outcomes["infra_failed"],
        "unparsable": sum(r.unparsable for r in results),
        "failures": dict(Counter(r.failure for r in results if r.failure)),
        "unscored": sum(r.score is None for r in results if r.outcome != "infra_failed"),
        "mean": None,
        "mean_of_all": None,
        "official": {},
        "published": published_lines(name),
        "lenient_mean": None,
        "tasks": {},
        "distribution": {},
        "epochs": _epochs(results),
        "pass_at_k": {},
        "cost_usd": _sum(r.cost for r in results),
        "seconds_median": round(median(r.seconds for r in results), 2) if results else None,
        "steps_mean": round(fmean(r.steps for r in results), 2) if results else None,
        "tokens": sum(
            int(r.usage.get("input_tokens") or 0) + int(r.usage.get("output_tokens") or 0)
            for r in results
        ),
    }
    if not scored:
        return summary
    scores = [score for _, score in scored]
    groups = [group_of(r) for r, _ in scored]
    summary["mean"] = _percent(cluster_interval(scores, groups, seed=seed))
    total = sum(r.score or 0.0 for r in results)
    unscored = summary["unscored"]
    summary["mean_of_all"] = round(100 * total / max(1, len(results) - unscored), 2)
    summary["official"] = _official(name, scored, groups, seed)
    lenient = [r.lenient for runs in questions.values() for r in runs if r.lenient is not None]
    summary["lenient_mean"] = round(100 * fmean(lenient), 2) if lenient else None
    summary["tasks"] = _tasks(scored, groups, seed)
    summary["distribution"] = _distribution(results)
    summary["pass_at_k"] = _pass_at_k(questions)
    return summary


def _official(
    name: str, scored: Sequence[tuple[Result, float]], groups: Sequence[str], seed: int
) -> dict[str, Any]:
    figures = official_figures(name, scored)
    headline = next(iter(figures), None)
    if headline is None:
        return {}

    def again(picks: Sequence[int]) -> float:
        values = official_figures(name, [scored[i] for i in picks])
        return next(iter(values.values()), 0.0)

    interval = None
    if headline != "pooled accuracy":
        interval = bootstrap_of(again, groups, resamples=200, seed=seed)
    found = {key: {"value": round(value, 2)} for key, value in figures.items()}
    if interval is not None:
        found[headline] |= {"low": round(interval.low, 2), "high": round(interval.high, 2)}
    else:
        mean = _percent(cluster_interval([s for _, s in scored], groups, seed=seed))
        found[headline] |= {"low": mean["low"], "high": mean["high"]}
    return found


def _tasks(
    scored: Sequence[tuple[Result, float]], groups: Sequence[str], seed: int
) -> dict[str, Any]:
    members: dict[str, list[int]] = defaultdict(list)
    for position, (result, _) in enumerate(scored):
        members[result.task or "all"].append(position)
    if len(members) < 2:
        return {}
    return {
        task: {
            "n": len(positions),
            **_percent(
                cluster_interval(
                    [scored[i][1] for i in positions], [groups[i] for i in positions], seed=seed
                )
            ),
        }
        for task, positions in sorted(members.items())
    }


def _distribution(results: Sequence[Result]) -> dict[str, Any]:
    """Answers against truths of choices and yes-no questions: truth -> answer -> count."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        if result.format not in ("letter", "yes_no") or result.outcome == "infra_failed":
            continue
        said = "no answer" if result.outcome == "model_failed" else str(result.read)
        table[result.truth[:_DISTRIBUTION]][said[:_DISTRIBUTION]] += 1
    return {truth: dict(counts) for truth, counts in sorted(table.items())}


def _epochs(results: Sequence[Result]) -> dict[str, Any]:
    """Means of the epochs, how they spread, and how much a question's score does."""
    means: dict[int, list[float]] = defaultdict(list)
    for result in results:
        if result.score is not None:
            means[result.epoch].append(result.score)
    if len(means) < 2:
        return {}
    values = [100 * fmean(scores) for _, scores in sorted(means.items())]
    spread = [
        pstdev([r.score or 0.0 for r in runs])
        for runs in by_question(results).values()
        if len(runs) > 1
    ]
    return {
        "means": [round(value, 2) for value in values],
        "spread": round(max(values) - min(values), 2),
        "deviation": round(pstdev(values), 2),
        "within_question": round(100 * fmean(spread), 2) if spread else None,
    }


def _pass_at_k(questions: Mapping[str, Sequence[Result]]) -> dict[str, float]:
    """pass@k of the questions that were asked in every epoch; right means a full score."""
    epochs = max(len(runs) for runs in questions.values())
    whole = [runs for runs in questions.values() if len(runs) == epochs]
    if epochs < 2:
        return {}
    sizes = sorted({1, *(2**i for i in range(1, 10) if 2**i < epochs), epochs})
    right = [sum((r.score or 0.0) >= 1.0 for r in runs) for runs in whole]
    return {
        f"pass@{k}": round(100 * fmean(pass_at_k(epochs, c, k) for c in right), 2) for k in sizes
    }


def _percent(interval: Interval) -> dict[str, Any]:
    facts = asdict(interval.scaled(100))
    return {k: round(v, 2) if k in ("value", "low", "high") else v for k, v in facts.items()}


def _sum(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None
