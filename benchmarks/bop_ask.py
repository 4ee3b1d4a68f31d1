"""BOP-ASK: object pose, grasps and relations; its metrics are not published."""

from __future__ import annotations

from spatialclaw.evaluation.benchmark import Benchmark

__all__ = ["BENCHMARK"]

BENCHMARK = Benchmark(
    name="bop-ask",
    title="BOP-ASK",
    hub="siyich/spacetools-eval-benchmarks",
    paper="2511.16857",
    inputs="1 image",
    answers="box, grasp",
    aliases=("bopask",),
    note="The exact formulas are not known: answers are kept and not scored.",
    rule=None,
)
