"""Intervals, tests and estimators: known values, ranges and symmetries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spatialclaw.evaluation.statistics import (
    bootstrap_of,
    cluster_interval,
    holm,
    mcnemar_exact,
    paired_difference,
    pass_at_k,
    sign_flip,
    wilson,
)

scores = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_wilson_is_scipys() -> None:
    for successes, n in [(0, 10), (3, 10), (10, 10), (81, 263), (1, 1)]:
        ours = wilson(successes, n)
        theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_holds_the_proportion(n: int, share: float) -> None:
    found = wilson(share * n, n)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 3), (4, 3)])
def test_wilson_refuses(successes: int, n: int) -> None:
    with pytest.raises(ValueError):
        wilson(successes, n)


@given(scores, st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_the_interval_holds_the_mean_and_stays_in_range(values: list[float], size: int) -> None:
    groups = [f"scene {i // size}" for i in range(len(values))]
    found = cluster_interval(values, groups, resamples=100)
    assert found.value == pytest.approx(np.mean(values))
    assert -1e-9 <= found.low <= found.value <= found.high <= 1 + 1e-9
    assert found == cluster_interval(values, groups, resamples=100)


def test_questions_that_go_together_widen_the_interval() -> None:
    values = [float(i // 10 % 2) for i in range(400)]
    alone = cluster_interval(values, [""] * 400)
    together = cluster_interval(values, [f"scene {i // 10}" for i in range(400)])
    assert together.groups == 40
    assert alone.groups == 400
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
    # The usual formulas agree where they hold.
    assert alone.high - alone.value == pytest.approx(1.96 * math.sqrt(0.25 / 400), rel=0.15)
    assert together.high - together.value == pytest.approx(1.96 * math.sqrt(0.25 / 40), rel=0.15)


def test_scores_that_are_all_alike_still_have_doubt() -> None:
    found = cluster_interval([1.0] * 20, [""] * 20)
    assert found.method == "Wilson"
    assert found.low == pytest.approx(wilson(20, 20).low)
    assert found.high == 1.0


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    covered = 0
    for seed in range(200):
        scenes = draw.random(30) < 0.6
        values = [float(s) for s in scenes for _ in range(4)]
        found = cluster_interval(values, [i // 4 for i in range(120)], resamples=400, seed=seed)
        covered += found.low <= 0.6 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_bootstrap_of_any_figure() -> None:
    values = [0.0, 1.0] * 50
    found = bootstrap_of(
        lambda picks: float(np.mean([values[i] for i in picks])), [""] * 100, resamples=300
    )
    assert found.value == 0.5
    assert found.low == pytest.approx(0.4, abs=0.04)
    assert found.high == pytest.approx(0.6, abs=0.04)


@given(st.integers(1, 12), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    answers = [i < correct for i in range(n)]
    draws = [any(draw) for draw in itertools.combinations(answers, k)]
    assert pass_at_k(n, correct, k) == pytest.approx(sum(draws) / len(draws))


@pytest.mark.parametrize(("n", "c", "k"), [(0, 0, 1), (3, 4, 1), (3, -1, 1), (3, 1, 4), (3, 1, 0)])
def test_pass_at_k_refuses(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError):
        pass_at_k(n, c, k)


def test_mcnemar_is_the_binomial_test() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    for gained, lost in [(1, 0), (5, 1), (30, 12), (700, 600)]:
        expected = stats.binomtest(gained, gained + lost).pvalue
        assert mcnemar_exact(gained, lost) == pytest.approx(expected)
        assert mcnemar_exact(lost, gained) == mcnemar_exact(gained, lost)


def test_sign_flip_counts_all_flips_when_few_and_draws_when_many() -> None:
    assert sign_flip([]) == sign_flip([0.0, 0.0]) == 1.0
    assert sign_flip([1.0] * 5) == pytest.approx(2 / 2**5)
    exact = sign_flip([1.0, -0.5, 0.25, 0.75, -1.0, 0.5, 0.5])
    expected = stats.permutation_test(
        (np.array([1.0, -0.5, 0.25, 0.75, -1.0, 0.5, 0.5]),),
        np.sum,
        permutation_type="samples",
        n_resamples=np.inf,
    ).pvalue
    assert exact == pytest.approx(expected)
    drawn = sign_flip([1.0] * 30 + [-1.0] * 10)
    assert drawn == pytest.approx(stats.binomtest(10, 40).pvalue, abs=0.004)
    assert sign_flip([1.0] * 60) > 0


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1,
                max_size=30))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_the_difference_turns_round_when_the_sides_do(pairs: list[tuple[float, float]]) -> None:
    a, b = (list(side) for side in zip(*pairs, strict=True))
    groups = [i // 2 for i in range(len(a))]
    there = paired_difference(a, b, groups, resamples=100)
    back = paired_difference(b, a, groups, resamples=100)
    assert there.value == pytest.approx(-back.value)
    assert (there.p, there.mcnemar) == pytest.approx((back.p, back.mcnemar))
    assert (there.gained, there.lost) == (back.lost, back.gained)
    assert there.low <= there.value <= there.high
    assert 0 < there.p <= 1


def test_a_difference_is_clear_or_noise() -> None:
    rng = np.random.default_rng(0)
    a = (rng.random(300) < 0.5).astype(float)
    better = np.maximum(a, (rng.random(300) < 0.3).astype(float))
    noise = (rng.random(300) < 0.5).astype(float)
    assert paired_difference(a, better, [""] * 300).clear
    assert not paired_difference(a, noise, [""] * 300).clear
    same = paired_difference(a, a, [""] * 300)
    assert (same.value, same.p, same.mcnemar, same.clear) == (0.0, 1.0, 1.0, False)
    assert same.low < 0 < same.high
    graded = paired_difference([0.5, 0.25], [0.75, 0.25], ["", ""])
    assert graded.mcnemar is None


def test_pairing_sees_what_separate_intervals_do_not() -> None:
    rng = np.random.default_rng(1)
    a = (rng.random(400) < 0.5).astype(float)
    b = a.copy()
    b[np.flatnonzero(a == 0)[:20]] = 1.0
    groups = [""] * 400
    separate = [cluster_interval(list(side), groups) for side in (a, b)]
    assert separate[0].high > separate[1].low
    assert paired_difference(a, b, groups).clear


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_makes_a_p_smaller(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(0 <= p <= q <= 1 for p, q in zip(values, adjusted, strict=True))
    order = sorted(range(len(values)), key=lambda i: values[i])
    ordered = [adjusted[i] for i in order]
    assert ordered == sorted(ordered)
    assert min(adjusted) == pytest.approx(min(1.0, len(values) * min(values)))
