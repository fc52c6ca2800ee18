"""Weights against a process whose answer is known in closed form: help goes to those who are about to fall, and prevents it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from returnrisk.errors import DataError
from returnrisk.untreated import censoring_weights, effective_size, person_months_of

# One of two kinds at the start; every month trouble comes (for good) by a chance of its own kind; who is in trouble falls in the
# coming month by FALL and, before that, is offered help by HELP[1]; who is not, by HELP[0]. Help ends all danger.
TROUBLE, FALL, HELP, MONTHS = (0.03, 0.15), 0.2, (0.02, 0.3), 6


def truth(kind: int) -> float:
    """Probability of a fall within the horizon without help: enumerated by the month trouble comes in."""
    t = TROUBLE[kind]
    return sum((1 - t) ** (m - 1) * t * (1 - (1 - FALL) ** (MONTHS - m + 1)) for m in range(1, MONTHS + 1))


def lived(n: int, *, seed: int = 0, helping: bool = True):
    """Kinds (n,), start and close months (n,), fell (n,), and trouble before each month's offer (n, MONTHS)."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    trouble = np.zeros(n, dtype=bool)
    start, fell_in = np.zeros(n, dtype=int), np.zeros(n, dtype=int)
    seen = np.zeros((n, MONTHS), dtype=bool)
    for m in range(1, MONTHS + 1):
        trouble |= rng.random(n) < np.array(TROUBLE)[kind]
        seen[:, m - 1] = trouble
        offered = helping & (start == 0) & (fell_in == 0) & (rng.random(n) < np.array(HELP)[trouble.astype(int)])
        start[offered] = m
        falls = trouble & (start == 0) & (fell_in == 0) & (rng.random(n) < FALL)
        fell_in[falls] = m
    return kind, start, np.where(fell_in > 0, fell_in, MONTHS), fell_in > 0, seen


def weighted(n: int, *, seed: int = 0, known: bool = True):
    kind, start, close, fell, seen = lived(n, seed=seed)
    laid = person_months_of(start, close)
    trouble = seen[laid.row, laid.month - 1].astype(int)
    found = [laid.started[trouble == k].mean() for k in (0, 1)]  # with one flag, a pooled logistic regression is two shares
    chance = np.array(HELP if known else found)[trouble]
    stay = np.array([(start[kind == k] == 0).mean() for k in (0, 1)])[kind]
    return kind, fell, laid, censoring_weights(chance, laid, stay=stay)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("which", ["population", "fitting"])
def test_weighted_shares_are_the_truth_where_plain_ones_are_far_from_it(which, known):
    kind, fell, _, weights = weighted(200_000, known=known)
    w = getattr(weights, which)
    for k in (0, 1):
        found = np.average(fell[kind == k], weights=w[kind == k])
        assert found == pytest.approx(truth(k), abs=0.012)
        assert fell[kind == k].mean() < 0.7 * truth(k)  # as they are helped


def test_dropping_the_helped_does_not_answer_the_question():
    kind, fell, laid, _ = weighted(200_000)
    stayed = (kind == 1) & ~laid.helped
    assert fell[stayed].mean() < truth(1) - 0.03


def test_population_weights_keep_the_mix_of_kinds_and_add_up_to_all_rows():
    kind, _, _, weights = weighted(200_000)
    w = weights.population
    assert w.sum() == pytest.approx(200_000, rel=0.02)
    assert np.average(kind, weights=w) == pytest.approx(kind.mean(), abs=0.01)


def test_a_factor_cut_off_at_the_closing_month_would_be_wrong():
    """Why the steadying factor runs over the whole horizon: the usual one of hazard models makes falls too heavy."""
    kind, start, close, fell, seen = lived(200_000)
    laid = person_months_of(start, close)
    chance = np.array(HELP)[seen[laid.row, laid.month - 1].astype(int)]
    w = censoring_weights(chance, laid).population
    alike = np.array([laid.started[kind[laid.row] == k].mean() for k in (0, 1)])  # chance a month given the kind alone
    until_closing = w * (1 - alike[kind]) ** close
    k = 1
    assert np.average(fell[kind == k], weights=until_closing[kind == k]) > truth(k) + 0.03


def test_without_help_every_weight_is_one():
    _, start, close, fell, _ = lived(1000, helping=False)
    laid = person_months_of(start, close)
    weights = censoring_weights(np.zeros(len(laid.row)), laid)
    assert (weights.population == 1).all()
    assert effective_size(weights.population) == 1000
    assert not laid.helped.any()
    assert fell.any()


def test_a_start_after_the_fall_is_no_matter_and_one_in_its_month_is():
    laid = person_months_of([4, 3, 2], [3, 3, 3])
    assert laid.helped.tolist() == [False, True, True]
    assert np.bincount(laid.row).tolist() == [3, 3, 2]


def test_trimming_is_counted_and_bounded():
    laid = person_months_of([0, 0], [12, 1])
    weights = censoring_weights(np.full(13, 0.5), laid, least_stay=0.1)
    assert weights.population.tolist() == [10.0, 2.0]
    assert weights.largest == pytest.approx(4096)
    assert weights.n_trimmed == 1


@given(
    st.lists(st.tuples(st.integers(0, 14), st.integers(1, 12)), min_size=1, max_size=30),
    st.floats(0.01, 0.9),
    st.integers(0, 2**32),
)
def test_order_does_not_matter_and_the_helped_weigh_nothing(rows, chance, seed):
    start, close = np.array(rows).T
    shuffled = np.random.default_rng(seed).permutation(len(rows))

    def of(order):
        laid = person_months_of(start[order], close[order])
        return laid.helped, censoring_weights(np.full(len(laid.row), chance), laid, least_stay=1e-12).population

    helped, weight = of(np.arange(len(rows)))
    assert (weight[helped] == 0).all()
    assert np.allclose(weight[~helped], (1 - chance) ** -close[~helped].astype(float))
    assert np.array_equal(of(shuffled)[1], weight[shuffled])


@pytest.mark.parametrize(("start", "close"), [([1], [1, 2]), ([-1], [3]), ([0], [0])])
def test_impossible_months_are_refused(start, close):
    with pytest.raises(DataError, match="months"):
        person_months_of(start, close)


def test_chances_that_are_none_are_refused():
    laid = person_months_of([0], [2])
    with pytest.raises(DataError, match="probabilities"):
        censoring_weights([0.1, 1.2], laid)
    with pytest.raises(DataError, match="person-months"):
        censoring_weights([0.1], laid)
