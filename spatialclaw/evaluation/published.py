"""Figures that others published, to stand beside one's own."""

from __future__ import annotations

import importlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Figure", "published", "published_lines"]


@dataclass(frozen=True)
class Figure:
    """A published figure.

    Attributes:
        who: The model, agent or people.
        percent: The figure, 0..100.
        metric: Which figure it is: "mean" over questions, or one that the authors define. Only
            figures of the same metric can be compared.
        source: Where it is printed.
    """

    who: str
    percent: float
    metric: str
    source: str


@cache
def _data() -> dict[str, Any]:
    package = importlib.import_module("spatialclaw.benchmarks")
    path = next(Path(folder) / "published.toml" for folder in package.__path__)
    return tomllib.loads(path.read_text(encoding="utf-8"))


def published(name: str) -> list[Figure]:
    """The figures of a benchmark or subset, best first within a metric, "mean" first.

    Args:
        name: Ours, such as "vsi-bench@debiased".
    """
    found = [
        Figure(str(who), float(percent), str(metric), str(source))
        for who, percent, metric, source in _data()["figures"].get(name, [])
    ]
    for table in _data()["table"]:
        for how in ("alone", "agent"):
            for model, percent in zip(
                table["models"], table.get(how, {}).get(name, []), strict=False
            ):
                who = f"{model}, {how}" if "alone" in table else str(model)
                found.append(Figure(who, float(percent), table["metric"], table["source"]))
    return sorted(found, key=lambda f: (f.metric != "mean", f.metric, -f.percent))


def published_lines(name: str, *, most: int = 4) -> list[str]:
    """The best figures of each metric as one line each, for people."""
    lines: list[str] = []
    metrics: dict[str, list[Figure]] = {}
    for figure in published(name):
        metrics.setdefault(figure.metric, []).append(figure)
    for metric, figures in metrics.items():
        best = figures[:most]
        sources = list(dict.fromkeys(figure.source for figure in best if figure.source))
        alike = len(sources) == 1
        shown = "; ".join(
            f"{f.who} {f.percent:.1f}" + (f" ({f.source})" if f.source and not alike else "")
            for f in best
        )
        lines.append(f"{metric}: {shown}" + (f" ({sources[0]})" if alike else ""))
    return lines
