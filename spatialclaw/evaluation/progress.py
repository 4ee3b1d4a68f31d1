"""What a running evaluation shows: a live table on a terminal, else a line every minute."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.statistics import cluster_interval
from spatialclaw.evaluation.summary import group_of

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Progress"]

LINE_SECONDS = 60.0


class Progress:
    """Counts results and shows how far the evaluation is.

    Args:
        total: Questions of all epochs.
        before: Results that were there when it began.
        quiet: Show nothing.
        line_seconds: Between two lines where there is no terminal.
    """

    def __init__(
        self,
        total: int,
        before: list[Result] | None = None,
        *,
        quiet: bool = False,
        line_seconds: float = LINE_SECONDS,
    ) -> None:
        self.total = total
        self.under_way = 0
        self._outcomes: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._scores: list[float] = []
        self._groups: list[str] = []
        self._cost: float | None = None
        self._before = 0
        self._started = self._line_at = time.monotonic()
        self._line_seconds = line_seconds
        self._quiet = quiet
        self._live: Any = None
        for result in before or []:
            self._count(result)
        # Infrastructure failures of before are asked again.
        self._before = self.done

    @property
    def done(self) -> int:
        """Questions that have ended."""
        return sum(self._outcomes.values())

    def add(self, result: Result) -> None:
        """Counts a result; `show` shows it."""
        self._count(result)

    def show(self) -> None:
        """Brings what is shown up to date; for a thread, since intervals take their time."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(self._table())
            return
        now = time.monotonic()
        if now - self._line_at >= self._line_seconds:
            self._line_at = now
            print(f"spatialclaw: {self.line()}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """All of it in one line."""
        facts = self._facts()
        return ", ".join(f"{name} {value}" if name else value for name, value in facts)

    @contextmanager
    def live(self) -> Iterator[Progress]:
        """Shows a live table while it lasts, where stderr is a terminal."""
        if self._quiet or not sys.stderr.isatty():
            yield self
            return
        from rich.console import Console
        from rich.live import Live

        with Live(self._table(), console=Console(stderr=True), refresh_per_second=2) as self._live:
            yield self
        self._live = None

    def _count(self, result: Result) -> None:
        self._outcomes[result.outcome] += 1
        if result.failure:
            self._failures[result.failure] += 1
        if result.score is not None:
            # The group first: whoever reads meanwhile finds one for each score.
            self._groups.append(group_of(result))
            self._scores.append(result.score)
        if result.cost is not None:
            self._cost = (self._cost or 0.0) + result.cost

    def _facts(self) -> list[tuple[str, str]]:
        seconds = max(1e-9, time.monotonic() - self._started)
        new = self.done - self._before
        rate = new / seconds
        left = self.total - self.done
        facts = [
            ("", f"{self.done:,} of {self.total:,} questions"),
            ("under way", str(self.under_way)),
            ("rate", f"{60 * rate:.1f}/min" if new else "-"),
            ("left", _duration(left / rate) if new else "-"),
        ]
        if self._scores:
            # A quick look while it runs; the final table draws more often.
            scores = list(self._scores)
            groups = self._groups[: len(scores)]
            mean = cluster_interval(scores, groups, resamples=200).scaled(100)
            facts.append(("accuracy", f"{mean.value:.1f} [{mean.low:.1f}, {mean.high:.1f}]"))
        if self._cost is not None:
            facts.append(("cost", f"${self._cost:.2f}"))
        if self._outcomes["model_failed"]:
            facts.append(("no answer", str(self._outcomes["model_failed"])))
        if self._outcomes["infra_failed"]:
            facts.append(("infrastructure failed", str(self._outcomes["infra_failed"])))
        kinds = ", ".join(f"{kind} {count}" for kind, count in self._failures.most_common(4))
        if kinds:
            facts.append(("failures", f"({kinds})"))
        return facts

    def _table(self) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for name, value in self._facts():
            table.add_row(name or "done", value)
        return table


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
