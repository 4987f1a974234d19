"""The verdicts on data of which the truth was planted, and the rules' edges by hand."""

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest

from landscape.analysis import claims
from landscape.analysis.claims import (
    CANNOT_TELL,
    NOT_SUPPORTED,
    SUPPORTED,
    Tried,
    Value,
    connectedness,
    growth,
)
from landscape.analysis.summary import NORMAL, wilson

LEVELS = np.array([1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01])
TRUTH = {
    "exponential": lambda x: 0.2 * np.exp(-3 * x),
    "power law": lambda x: 0.03 * x**-0.4,
    "saturating": lambda x: 0.12 / (1 + x / 0.3),
    "constant": lambda x: 0.1 + 0 * x,
}
DATASETS = 40


def planted(shape, models, noise, seed, pairs="all", levels=LEVELS):
    """y = f(λ)·exp(u_a + u_b + w_aλ + w_bλ + e): models differ, and so do they level by level."""
    drawn = np.random.default_rng(seed)
    u = noise * drawn.normal(size=models)
    w = 0.3 * noise * drawn.normal(size=(models, len(levels)))
    every = itertools.combinations(range(models), 2)
    values = []
    for a, b in every if pairs == "all" else ((i, i + 1) for i in range(0, models, 2)):
        e = 0.3 * noise * drawn.normal(size=len(levels))
        y = TRUTH[shape](levels) * np.exp(u[a] + u[b] + w[a] + w[b] + e)
        values += [Value(a, b, float(x), float(v), 0.0) for x, v in zip(levels, y, strict=True)]
    return values


def rates(shape, models, noise, pairs="all"):
    """Shares of the verdicts on data sets that differ in their noise alone."""
    found = Counter(
        growth(planted(shape, models, noise, seed, pairs), resamples=200)["verdict"]
        for seed in range(DATASETS)
    )
    return {verdict: count / DATASETS for verdict, count in found.items()}


@pytest.mark.parametrize("pairs", ["all", "disjoint"])
def test_an_exponential_is_supported(pairs):
    assert rates("exponential", 10, 0.2, pairs).get(SUPPORTED, 0) >= 0.95


@pytest.mark.parametrize("shape", ["power law", "saturating"])
@pytest.mark.parametrize("pairs", ["all", "disjoint"])
def test_other_growth_is_not_an_exponential(shape, pairs):
    assert rates(shape, 10, 0.1, pairs).get(NOT_SUPPORTED, 0) >= 0.95


@pytest.mark.parametrize("noise", [0.1, 0.5])
@pytest.mark.parametrize("models", [5, 8])
def test_noise_alone_is_hardly_ever_supported(models, noise):
    """At most as often as CONFIDENCE allows, and three standard errors of the rate."""
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / DATASETS)
    assert rates("constant", models, noise).get(SUPPORTED, 0) <= allowed
    assert rates("saturating", models, noise).get(SUPPORTED, 0) <= allowed


def test_much_noise_cannot_tell_what_is_alike():
    assert rates("saturating", 6, 0.8).get(CANNOT_TELL, 0) >= 0.5


def test_parameters_and_the_criterion_by_scipy():
    """Exact data: the parameters come back, and the winner predicts left-out levels without error;
    the loser's error is that of SciPy's fits."""
    from scipy.optimize import curve_fit

    found = growth(planted("power law", 6, 0.0, 0))
    shapes = found["shapes"]
    assert found["best"] == "power law" and found["verdict"] == NOT_SUPPORTED
    assert shapes["power law"]["exponent"]["value"] == pytest.approx(0.4)
    assert shapes["power law"]["A"]["value"] == pytest.approx(0.03)
    assert shapes["power law"]["error"] == pytest.approx(0, abs=1e-12)
    assert found["factor"]["value"] == pytest.approx(100**0.4)
    logs = np.log(TRUTH["power law"](LEVELS))
    for shape, curve in {
        "exponential": lambda x, a, k: a - k * x,
        "saturating": lambda x, a, s: a - np.log1p(x / np.exp(s)),
    }.items():
        missed = []
        for place in range(len(LEVELS)):
            rest = np.arange(len(LEVELS)) != place
            best, _ = curve_fit(curve, LEVELS[rest], logs[rest], (0.0, -1.0))
            missed.append(logs[place] - curve(LEVELS[place], *best))
        assert shapes[shape]["error"] == pytest.approx(
            np.sqrt(np.mean(np.square(missed))), rel=1e-3
        )
    exact = growth(planted("saturating", 6, 0.0, 0))["shapes"]["saturating"]
    assert exact["half"]["value"] == pytest.approx(0.3, rel=1e-3)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """The mean of few models does not have the noise's own 95 %: percentiles of few are narrow."""
    held = 0
    for seed in range(100):
        found = growth(planted("power law", 8, 0.3, seed), resamples=200)
        low, high = found["shapes"]["power law"]["exponent"]["interval"]
        held += low <= 0.4 <= high
    assert held >= 85


def test_models_are_resampled_not_pairs():
    """Noise of the models alone: as if of 28 pairs, it would seem known twice as well."""
    spread, widths = [], []
    for seed in range(60):
        drawn = np.random.default_rng(seed)
        slope = 0.03 * drawn.normal(size=8)
        values = [
            Value(a, b, float(x), float(np.exp((slope[a] + slope[b]) * np.log(x))), 0.0)
            for a, b in itertools.combinations(range(8), 2)
            for x in LEVELS
        ]
        found = growth(values, resamples=200)["shapes"]["power law"]["exponent"]
        spread.append(found["value"])
        widths.append(np.ptp(found["interval"]) / (2 * NORMAL))
    assert np.mean(widths) == pytest.approx(np.std(spread), rel=0.25)


def test_the_spread_tells_multiplicative_noise_from_additive():
    assert growth(planted("power law", 12, 0.1, 0))["spread"] == pytest.approx(1, abs=0.2)
    drawn = np.random.default_rng(0)
    added = [
        Value(a, b, float(x), float(TRUTH["power law"](x) + 0.003 * drawn.normal()), 0.0)
        for a, b in itertools.combinations(range(12), 2)
        for x in LEVELS
    ]
    assert abs(growth(added)["spread"]) < 0.3


def test_the_same_every_time():
    values = planted("exponential", 8, 0.3, 0)
    assert growth(values) == growth(values)
    assert growth(values, seed=1) != growth(values)


@pytest.mark.parametrize(
    "values, reason",
    [
        (planted("exponential", 4, 0.1, 0), "4 models, 5 are needed"),
        (
            planted("exponential", 8, 0.1, 0, levels=LEVELS[:3]),
            "that bend: 3, 4 are needed",
        ),
        (planted("exponential", 8, 0.1, 0, levels=LEVELS - 0.05), "not positive"),
        (
            [Value(a, a + 1, x, 0.0, 0.0) for a in range(8) for x in LEVELS],
            "that bend: 0",
        ),
        ([], "no path was found"),
        ([Value(0, 1, 0.1, None, None)], "no path was found"),
    ],
)
def test_what_cannot_tell_says_why(values, reason):
    found = growth(values)
    assert found["verdict"] == CANNOT_TELL and reason in found["reason"]


def test_straight_levels_are_left_out_and_counted():
    values = planted("exponential", 8, 0.1, 0)
    straight = [v._replace(value=0.0) if v.level == 1 else v for v in values]
    found = growth(straight)
    assert found["left_out"] == 1 and found["levels"] == LEVELS[1:].tolist()


def test_failed_pairs_can_take_a_verdict_back():
    values = planted("exponential", 8, 0.1, 0)
    assert growth(values)["verdict"] == SUPPORTED and growth(values)["bound"] is None
    # more failed the lower the level: if they were long, it would be another shape
    fails = {0.1: 1, 0.05: 2, 0.02: 3, 0.01: 5}
    lost = [v._replace(value=None) if v.a < fails.get(v.level, 0) else v for v in values]
    found = growth(lost)
    assert found["failed"] == sum(v.value is None for v in lost)
    assert found["verdict"] == CANNOT_TELL and "failed pairs" in found["reason"]
    assert found["bound"]["factor"]["value"] > 1.5 * found["factor"]["value"]
    known = [v for v in lost if v.value is not None]
    worst = claims.WORSE * max(v.value for v in known)
    at = [worst if v.value is None else v.value for v in lost if v.level == 0.01]
    first = [v.value for v in lost if v.level == 1]
    assert found["bound"]["factor"]["value"] == pytest.approx(np.mean(at) / np.mean(first))


# -- the method error ------------------------------------------------------------------------------


def with_errors(values, error):
    return [v._replace(error=error(v)) for v in values]


def test_an_error_of_nothing_changes_nothing():
    values = planted("exponential", 8, 0.1, 0)
    some = growth(with_errors(values, lambda v: None if v.a == 0 else 0.0))
    assert some == growth(values) and some["method_errors"] == [0.0] * len(LEVELS)


def test_a_method_error_is_in_the_intervals():
    values = planted("exponential", 8, 0.1, 0)
    sure, less = growth(values), growth(with_errors(values, lambda v: 0.3 * v.value))
    assert less["factor"]["value"] == sure["factor"]["value"]
    widths = [np.ptp(np.log(one["factor"]["interval"])) for one in (sure, less)]
    # of the logarithm of a ratio of two uniforms, 1 ± 0.3 each
    u = np.random.default_rng(0).uniform(0.7, 1.3, (2, 100_000))
    alone = np.ptp(np.quantile(np.log(u[0] / u[1]), [0.025, 0.975]))
    assert widths[1] > alone > 1.5 * widths[0]
    assert widths[1] == pytest.approx(np.hypot(widths[0], alone), rel=0.15)
    rates = [one["shapes"]["exponential"]["rate"]["interval"] for one in (sure, less)]
    assert np.ptp(rates[1]) > 1.5 * np.ptp(rates[0])
    assert less["shapes"]["exponential"]["best"] < sure["shapes"]["exponential"]["best"]


def test_methods_that_disagree_by_more_than_the_effect_cannot_tell():
    values = planted("exponential", 8, 0.05, 0)
    effect = np.ptp(growth(values)["means"])
    near, far = (growth(with_errors(values, lambda v, e=e: e * effect)) for e in (0.9, 1.1))
    assert "methods differ" not in near["reason"]
    assert far["verdict"] == CANNOT_TELL and "methods differ by" in far["reason"]
    assert far["shapes"] and far["factor"]["value"] == near["factor"]["value"]


def test_one_method_alone_cannot_tell():
    values = planted("exponential", 8, 0.1, 0)
    assert growth(values)["verdict"] == SUPPORTED
    lost = with_errors(values, lambda v: None if v.level == 0.1 and v.a < 3 else 0.0)
    found = growth(lost)
    assert found["verdict"] == CANNOT_TELL
    assert found["reason"].startswith("one method alone has connected 18 of 28 bent pairs at 0.1")
    half = with_errors(values, lambda v: None if v.level == 0.1 and v.a < 2 else 0.0)
    assert growth(half)["verdict"] == SUPPORTED
    nothing = growth(with_errors(values, lambda v: None))
    assert nothing["verdict"] == CANNOT_TELL and nothing["method_errors"] == [None] * len(LEVELS)


def test_straight_paths_tell_nothing_of_the_error_of_others():
    values = [
        v._replace(value=0.0, error=0.0) if v.level == 1 and v.a > 0 else v
        for v in with_errors(
            planted("exponential", 8, 0.1, 0), lambda v: None if v.level == 1 else 0.0
        )
    ]
    found = growth(values)
    assert found["method_errors"][0] is None and "7 of 7 bent pairs at 1" in found["reason"]


# -- connected -------------------------------------------------------------------------------------


def tried(models, level=0.1, failed=(), pairs=None):
    pairs = pairs or list(itertools.combinations(range(models), 2))
    return [Tried(a, b, level, (a, b) not in failed) for a, b in pairs]


def test_all_joined_among_enough_models_is_supported():
    found = connectedness(tried(8) + tried(8, 0.05))
    assert found["verdict"] == SUPPORTED
    assert [level["level"] for level in found["levels"]] == [0.1, 0.05]
    assert found["levels"][0]["pairs"] == 28 and found["levels"][0]["independent"] == 4
    assert found["reason"] == "all pairs were connected at every level tried (2)"
    assert connectedness(tried(8))["reason"] == "all pairs were connected at the one level tried"


def test_few_models_cannot_tell():
    found = connectedness(tried(4))
    assert found["verdict"] == CANNOT_TELL
    assert (
        found["reason"] == "all were connected, but 4 models make 2 independent pairs, 4 are needed"
    )
    assert connectedness([])["reason"] == "no pair was tried"


def test_a_chain_of_paths_joins():
    """A search that failed between models that others join has shown nothing against it."""
    assert connectedness(tried(8, failed=[(0, 1), (2, 3)]))["verdict"] == SUPPORTED
    tree = [(i, i + 1) for i in range(7)]
    assert connectedness(tried(8, pairs=tree))["levels"][0]["pairs"] == 28


def test_failures_show_nothing():
    alone = [(a, 7) for a in range(7)]
    found = connectedness(tried(8, failed=alone))
    assert (found["levels"][0]["connected"], found["levels"][0]["pairs"]) == (21, 28)
    assert found["verdict"] == CANNOT_TELL and "shows nothing" in found["reason"]


def test_pairs_that_a_tree_never_tried_are_no_failures():
    """Two halves, between which four searches failed: the other 60 pairs may be joined or not."""
    halves = [(i, i + 1) for i in range(15) if i != 7]
    between = [(0, 8), (3, 9), (7, 8), (5, 15)]
    found = connectedness(tried(16, failed=between, pairs=halves + between))
    (level,) = found["levels"]
    assert (level["pairs"], level["connected"], level["failed"]) == (120, 56, 4)
    assert level["interval"] == [wilson(56 / 120, 8)[0], wilson(1, 8)[1]]
    assert found["verdict"] == CANNOT_TELL
    every = list(itertools.product(range(8), range(8, 16)))
    assert connectedness(tried(16, failed=every))["verdict"] == NOT_SUPPORTED


def test_one_path_that_is_missing_could_join_two_halves():
    within = [*itertools.combinations(range(8), 2), *itertools.combinations(range(8, 16), 2)]
    between = list(itertools.product(range(8), range(8, 16)))
    found = connectedness(tried(16, failed=between, pairs=within + between[1:]))
    assert found["levels"][0]["failed"] == 63 and found["verdict"] == CANNOT_TELL


def test_a_pair_is_one_whichever_way_it_is_named():
    twice = [Tried(1, 0, 0.1, False), Tried(0, 1, 0.1, False)]
    (level,) = connectedness(twice)["levels"]
    assert (level["pairs"], level["failed"]) == (1, 1)


def test_where_hardly_any_was_found_it_is_not_supported():
    pairs = [(i, i + 1) for i in range(0, 40, 2)]
    found = connectedness(tried(0, 0.1, pairs=pairs) + tried(0, 0.05, pairs[2:], pairs))
    assert found["verdict"] == NOT_SUPPORTED
    assert found["reason"] == "2 of 20 pairs were connected at 0.05"


@pytest.mark.parametrize("share, count", [(1.0, 4), (0.5, 10), (0.0, 3), (0.25, 4)])
def test_wilson_is_scipys(share, count):
    theirs = binomtest(round(share * count), count).proportion_ci(method="wilson")
    assert wilson(share, count) == pytest.approx([theirs.low, theirs.high], abs=1e-6)
