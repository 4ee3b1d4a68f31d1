"""How sure a figure is: intervals, spreads, paired differences; seeded, so it can be repeated.

Questions about one scene or video are not independent: intervals and tests draw whole groups
(cluster bootstrap: Field and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x). Scores are 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Difference",
    "Interval",
    "bootstrap_of",
    "cluster_interval",
    "holm",
    "mcnemar_exact",
    "paired_difference",
    "pass_at_k",
    "sign_flip",
    "wilson",
]

Array = npt.NDArray[np.float64]
RESAMPLES = 2000
# Below so many groups, resampled groups look too alike; the interval is widened (see below).
FEW_GROUPS = 10


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        value: The estimate.
        low: Lower end.
        high: Upper end.
        level: Of confidence.
        method: "cluster bootstrap", "bootstrap" or "Wilson".
        groups: Independent groups that it rests on.
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    method: str = "bootstrap"
    groups: int = 0

    def scaled(self, factor: float) -> Interval:
        """In other units, such as percent."""
        return Interval(
            self.value * factor, self.low * factor, self.high * factor, self.level, self.method,
            self.groups,
        )  # fmt: skip


def wilson(successes: float, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927, doi 10.2307/2276774).

    Args:
        successes: 0..n; the sum of scores between 0 and 1 is taken too, and then it is conservative
            (a score in 0..1 varies at most as much as one of 0 or 1 with the same mean).
        n: Trials, independent.
        level: Of confidence.

    Raises:
        ValueError: n < 1 or successes outside 0..n.
    """
    if n < 1 or not -1e-9 <= successes <= n + 1e-9:
        raise ValueError(f"{successes} successes of {n}")
    z = _normal_quantile(0.5 + level / 2)
    p = min(1.0, max(0.0, successes / n))
    scale = 1 + z * z / n
    middle = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    low = 0.0 if p == 0 else max(0.0, min(middle - half, p))
    high = 1.0 if p == 1 else min(1.0, max(middle + half, p))
    return Interval(p, low, high, level, "Wilson", n)


def cluster_interval(
    scores: Sequence[float],
    groups: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The mean of scores in 0..1 with a percentile interval from resampled groups.

    With fewer than `FEW_GROUPS` groups, or scores that are all alike, a bootstrap interval is too
    narrow (or a point); the wider of it and Wilson's with the groups as trials is given.

    Args:
        scores: 0..1, one a question.
        groups: What each belongs to; questions without a group are groups of their own.
        level: Of confidence.
        resamples: Bootstrap samples.
        seed: Of the resampling.

    Raises:
        ValueError: No scores, or another number of groups.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(values) or len(values) != len(groups):
        raise ValueError(f"{len(values)} scores and {len(groups)} groups")
    sums, counts = _by_group(values, groups)
    clustered = len(sums) < len(values)
    mean = float(values.mean())
    drawn = _ratios(sums, counts, resamples, seed)
    low, high = _percentiles(drawn, level)
    # The mean itself lies inside whatever the draw.
    low, high = min(low, mean), max(high, mean)
    method = "cluster bootstrap" if clustered else "bootstrap"
    if len(sums) < FEW_GROUPS or low == high:
        other = wilson(mean * len(sums), len(sums), level)
        if other.high - other.low > high - low:
            return Interval(mean, other.low, other.high, level, "Wilson", len(sums))
    return Interval(mean, low, high, level, method, len(sums))


def bootstrap_of(
    statistic: Callable[[Sequence[int]], float],
    groups: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> Interval:
    """Any figure of the questions with a percentile interval from resampled groups.

    Args:
        statistic: From the positions of the questions drawn (a group may come several times) to
            the figure.
        groups: What each question belongs to.
        level: Of confidence.
        resamples: Bootstrap samples.
        seed: Of the resampling.
    """
    members = _members(groups)
    value = statistic(range(len(groups)))
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        picks = random.integers(0, len(members), len(members))
        drawn.append(statistic(np.concatenate([members[pick] for pick in picks]).tolist()))
    low, high = _percentiles(np.asarray(drawn), level)
    return Interval(value, min(low, value), max(high, value), level, "cluster bootstrap",
                    len(members))  # fmt: skip


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Chance that at least one of k of the n answers is right: 1 - C(n - c, k) / C(n, k).

    The unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, section 2.1).

    Args:
        n: Answers of a question.
        correct: How many are right.
        k: How many would be drawn.

    Raises:
        ValueError: Not 0 <= correct <= n and 1 <= k <= n.
    """
    if not (0 <= correct <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {n} answers with {correct} right")
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


@dataclass(frozen=True)
class Difference:
    """What changed from A to B on the same questions.

    Attributes:
        n: Questions that both answered.
        value: Mean of B minus A.
        low: Lower end of its interval.
        high: Upper end.
        p: Two-sided p of a sign-flip permutation test over groups.
        mcnemar: Two-sided p of McNemar's exact test; None when scores are not all 0 or 1.
        gained: Questions on which B scores more.
        lost: Questions on which B scores less.
        groups: Independent groups.
        level: Of the interval.
    """

    n: int
    value: float
    low: float
    high: float
    p: float
    mcnemar: float | None
    gained: int
    lost: int
    groups: int
    level: float = 0.95

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0 and the test agrees."""
        return (self.low > 0 or self.high < 0) and self.p < 1 - self.level


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    groups: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Compares two sets of scores of the same questions, in the same order.

    The interval is a paired cluster bootstrap: groups of questions are drawn, and both scores of a
    question go with it.

    Raises:
        ValueError: No questions, or of unlike number.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not len(first) or not len(first) == len(second) == len(groups):
        raise ValueError(f"{len(first)}, {len(second)} scores and {len(groups)} groups")
    change = second - first
    sums, counts = _by_group(change, groups)
    mean = float(change.mean())
    low, high = _percentiles(_ratios(sums, counts, resamples, seed), level)
    if low == high:
        # Every draw is alike, which does not mean that there is no doubt: as many groups as these
        # may all agree while so large a share of others would not.
        doubt = wilson(0, len(sums), level).high
        low, high = max(-1.0, low - doubt), min(1.0, high + doubt)
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    binary = bool(np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all())
    return Difference(
        len(change),
        mean,
        min(low, mean),
        max(high, mean),
        sign_flip(sums, seed=seed),
        mcnemar_exact(gained, lost) if binary else None,
        gained,
        lost,
        len(sums),
        level,
    )


def sign_flip(sums: Sequence[float] | Array, *, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of a sign-flip permutation test (Fisher's randomisation of paired differences).

    Under the hypothesis that A and B do not differ, each group's difference is as likely to have
    the other sign. Exact up to 14 groups that differ (all 2^n flips), drawn beyond; a drawn p
    counts the observed assignment too, and so is never 0.

    Args:
        sums: Summed difference of each group.
        resamples: Flips drawn.
        seed: Of the draw.
    """
    values = np.asarray(sums, np.float64)
    values = values[values != 0]
    if not len(values):
        return 1.0
    seen = abs(float(values.sum()))
    near = seen - 1e-9 * max(1.0, seen)
    if len(values) <= 14:
        bits = (np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1
        totals = np.abs((1 - 2 * bits) @ values)
        return float((totals >= near).mean())
    random = np.random.default_rng(seed)
    hits = 0
    for start in range(0, resamples, 1000):
        size = min(1000, resamples - start)
        flips = random.integers(0, 2, (size, len(values)), dtype=np.int8)
        hits += int((np.abs((1.0 - 2.0 * flips) @ values) >= near).sum())
    return (hits + 1) / (resamples + 1)


def mcnemar_exact(gained: int, lost: int) -> float:
    """Two-sided p of McNemar's test in its exact, binomial form (McNemar 1947).

    Args:
        gained: Questions right in B alone.
        lost: Questions right in A alone.
    """
    n = gained + lost
    if not n:
        return 1.0
    tail = sum(math.comb(n, i) for i in range(min(gained, lost) + 1))
    return min(1.0, float(2 * tail / 2**n))


def holm(values: Sequence[float]) -> list[float]:
    """p-values of several tests at once, adjusted by Holm's step-down method (Holm 1979).

    Args:
        values: One p a test.

    Returns:
        In the same order; never smaller than given, and never above 1.
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = highest
    return adjusted


def _members(groups: Sequence[Hashable]) -> list[npt.NDArray[np.int64]]:
    found: dict[Hashable, list[int]] = {}
    for position, group in enumerate(groups):
        # A question without a group stands alone.
        found.setdefault(group if group not in ("", None) else ("", position), []).append(position)
    return [np.asarray(positions) for positions in found.values()]


def _by_group(values: Array, groups: Sequence[Hashable]) -> tuple[Array, Array]:
    members = _members(groups)
    sums = np.asarray([values[m].sum() for m in members])
    return sums, np.asarray([float(len(m)) for m in members])


def _ratios(sums: Array, counts: Array, resamples: int, seed: int) -> Array:
    """Means of resampled groups: (resamples,)."""
    random = np.random.default_rng(seed)
    n = len(sums)
    parts = []
    # In pieces, so that 10,000 groups do not take 160 MB.
    step = max(1, 2_000_000 // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        times = random.multinomial(n, np.full(n, 1.0 / n), size=size)
        parts.append((times @ sums) / (times @ counts))
    return np.concatenate(parts)


def _percentiles(drawn: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _normal_quantile(p: float) -> float:
    from statistics import NormalDist

    return float(NormalDist().inv_cdf(p))
