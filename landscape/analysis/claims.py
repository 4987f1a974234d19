"""Two claims put to the results: that level sets stay connected all through learning, and that
they become exponentially more curvy as the energy level decays.

They are those of J. Bruna's talk "Geometry and Topology of Neural Network Optimization" (Newton
Institute, 2017), on Freeman and Bruna 2017. Each gets one of three verdicts by a rule that is
written here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts are loaded when they are used

from landscape.analysis.summary import wilson

SUPPORTED = "supported"
NOT_SUPPORTED = "not supported"
CANNOT_TELL = "cannot tell"

CONFIDENCE = 0.95  # of intervals, and of resamples that must agree
MOST, NEARLY_ALL = 0.5, 0.9  # shares of pairs that a verdict on connectedness must exclude
FEWEST_MODELS, FEWEST_LEVELS = 5, 4
RESAMPLES = 1000
WORSE = 2.0  # a failed pair, in multiples of the worst value found at any level
STRAIGHT = 1e-9  # a mean at most so large has no logarithm worth fitting
KNOWN = 0.5  # share of a level's pairs of which the method error must be known


# -- connected -------------------------------------------------------------------------------------


class Tried(NamedTuple):
    """A pair of models at a level that both reached, and whether a certified path was found."""

    a: int
    b: int
    level: float
    connected: bool


def connectedness(tried: Iterable[Tried]) -> dict[str, Any]:
    """The claim that level sets stay connected: {verdict, reason, levels}.

    levels, from high to low: {level, models, pairs, connected, failed, share, independent,
    interval}. A pair is asked about where a chain of tried pairs links its models, and connected
    where a chain of certified paths does: paths follow on one another. It has failed where it was
    tried itself and is not connected; the others, as a tree leaves them, are missing data. Pairs
    that share models are not independent: the 95 % Wilson intervals of the share count only as many
    pairs as can be had without a model in two, ⌊models/2⌋ of each chain (Hoeffding 1963, section
    5a: a U-statistic is a mean of means over that many independent terms). `interval` begins where
    it does if none of the missing pairs is connected, and ends where it does if all are (Manski
    1990), with the chains that they would make.

    supported: at every level tried all pairs are connected, and the interval excludes a share of
    MOST. not supported: at some level the interval lies below NEARLY_ALL; that says what was found,
    as a search that fails shows nothing. Everything else cannot be told.
    """
    rows = list(tried)
    levels = [
        _at_level(level, [row for row in rows if row.level == level])
        for level in sorted({row.level for row in rows}, reverse=True)
    ]
    if not levels:
        return {"verdict": CANNOT_TELL, "reason": "no pair was tried", "levels": []}
    low = [level for level in levels if level["interval"][1] < NEARLY_ALL]
    some = [level for level in levels if level["connected"] < level["pairs"]]
    least = min(levels, key=lambda level: level["interval"][0])
    if low:
        worst = min(low, key=lambda level: level["share"])
        verdict = NOT_SUPPORTED
        reason = (
            f"{worst['connected']} of {worst['pairs']} pairs were connected at {worst['level']:g}"
        )
    elif some:
        verdict = CANNOT_TELL
        reason = f"searches failed at {len(some)} of {len(levels)} levels, which shows nothing"
    elif least["interval"][0] <= MOST:
        verdict = CANNOT_TELL
        reason = (
            f"all were connected, but {least['models']} models make "
            f"{independent_pairs(least['independent'])}, {_needed()} are needed"
        )
    else:
        several = f"every level tried ({len(levels)})"
        where = several if len(levels) > 1 else "the one level tried"
        verdict, reason = SUPPORTED, f"all pairs were connected at {where}"
    return {"verdict": verdict, "reason": reason, "levels": levels}


def _at_level(level: float, rows: Sequence[Tried]) -> dict[str, Any]:
    models = sorted({model for row in rows for model in (row.a, row.b)})
    places = np.searchsorted(models, [sorted((row.a, row.b)) for row in rows])
    asked = _chains(len(models), places)
    links = places[[row.connected for row in rows]]
    found = _chains(len(models), links)
    sizes = np.bincount(asked)
    pairs, connected = _pairs_within(sizes), _pairs_within(np.bincount(found))
    apart = np.flatnonzero(found[places[:, 0]] != found[places[:, 1]])
    failed = len(np.unique(places[apart], axis=0))
    missing = np.triu(asked[:, None] == asked, 1)
    missing[tuple(places.T)] = False
    perhaps = _chains(len(models), np.concatenate([links, np.argwhere(missing)]))
    most = _pairs_within(np.bincount(perhaps))
    independent = int((sizes // 2).sum())
    return {
        "level": level,
        "models": len(models),
        "pairs": pairs,
        "connected": connected,
        "failed": failed,
        "share": connected / pairs,
        "independent": independent,
        "interval": [
            wilson(connected / pairs, independent)[0],
            wilson(most / pairs, independent)[1],
        ],
    }


def _chains(models: int, pairs: np.ndarray) -> np.ndarray:
    """For each model the number of the chain of pairs [n, 2] that it is in."""
    links = scipy.sparse.coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(models, models))
    return scipy.sparse.csgraph.connected_components(links, directed=False)[1]


def _pairs_within(sizes: np.ndarray) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def independent_pairs(count: int) -> str:
    return f"{count} independent pair{'s' * (count != 1)}"


def _needed() -> int:
    return next(count for count in range(1, 100) if wilson(1.0, count)[0] > MOST)


# -- curvier ---------------------------------------------------------------------------------------


class Value(NamedTuple):
    """What was measured on a pair's best known path at a level; None where no path was found.

    error: by how much another method's path differs; None where one method alone has one.
    """

    a: int
    b: int
    level: float
    value: float | None
    error: float | None


SHAPES = {
    "constant": "y = A",
    "exponential": "y = A exp(−rate·λ)",
    "power law": "y = A λ^(−exponent)",
    "saturating": "y = A / (1 + λ/half)",
}
PARAMETER = {"exponential": "rate", "power law": "exponent", "saturating": "half"}
HALVES = 400  # candidates for `half`, over 4 decades beyond the levels on either side


def growth(values: Sequence[Value], seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """The claim that a measure y of curviness grows exponentially as the level λ decays.

    The shapes of SHAPES are fitted to the mean of y at each level, over the connected pairs, by
    least squares of its logarithm: what makes one string longer than another (the distance of its
    ends, an unlucky bead) scales with the excess, so the noise is multiplicative; `spread` is the
    slope of log sd against log mean over the levels, 1 for multiplicative noise, 0 for additive.
    As λ falls to 0 the exponential and the saturating shape tend to A, the power law has no limit.

    The criterion is the error of prediction with one level left out: the root mean square, over
    the levels, of log(mean) less its prediction by the fit to all others. It needs no count of
    independent observations, which there is not along one training run. Uncertainty comes from
    resampling whole models, with all their pairs and levels (pairs, where no model is in two):
    a pair counts as often as both its models were drawn, never one model with itself.

    The method error is in every resample: at each level the values of all pairs are moved by one
    u ~ U(−1, 1) times their errors, since a method's bias is common to them, and not below 0. A
    pair of which one method alone has a path has the mean error of its level.

    supported: in at least CONFIDENCE of the resamples the exponential is the best of all shapes,
    with y growing as λ falls. not supported: in at most 1 − CONFIDENCE. Neither, if counting the
    failed pairs as WORSE times the worst value of any level (`bound`) gives another verdict; if at
    some level the error is known of fewer than KNOWN of the bent paths; or if its mean at some
    level is above the difference of the means at the highest and the lowest level. Fewer models
    than FEWEST_MODELS or levels than FEWEST_LEVELS cannot tell.

    Returns {verdict, reason, models, resampled, levels, means, method_errors, left_out, failed,
    factor: {value, interval}, spread, best, shapes: {name: {formula, A, its parameter, error,
    best: its share of resamples}}, bound: {verdict, factor, best}}; A and the parameter as
    {value, interval}, of 95 %. factor is the mean at the lowest level over that at the highest.
    method_errors are means over the bent paths of each level, None where none is known. left_out
    are levels without a connected pair or with straight paths alone. bound is None where no pair
    failed.
    """
    known = [value for value in values if value.value is not None]
    errors = {level: _method_error(known, level) for level in {one.level for one in known}}
    filled = [v._replace(error=errors[v.level] or 0.0) if v.error is None else v for v in known]
    found = _fitted(filled, seed, resamples)
    failed = len(values) - len(known)
    found |= {"failed": failed, "bound": None}
    found["method_errors"] = [errors[level] for level in found["levels"]]
    if failed and known:
        worst = WORSE * max(value.value for value in known if value.value is not None)
        lost = [v._replace(value=worst, error=0.0) for v in values if v.value is None]
        bound = _fitted([*filled, *lost], seed, resamples)
        found["bound"] = {key: bound[key] for key in ("verdict", "factor", "best")}
        if bound["verdict"] != found["verdict"] != CANNOT_TELL:
            found["verdict"] = CANNOT_TELL
            found["reason"] = (
                f"the {failed} failed pairs, counted as {WORSE:g} times the worst, change the "
                "verdict"
            )
    if found["shapes"] and (why := _in_doubt(known, found)):
        found |= {"verdict": CANNOT_TELL, "reason": why}
    return found


def _bent(known: Sequence[Value], level: float) -> list[Value]:
    """The values of a level that a method could have wrong: of a straight path there is none."""
    return [one for one in known if one.level == level and (one.value or 0) > STRAIGHT]


def _method_error(known: Sequence[Value], level: float) -> float | None:
    errors = [one.error for one in _bent(known, level) if one.error is not None]
    return float(np.mean(errors)) if errors else None


def _in_doubt(known: Sequence[Value], found: dict[str, Any]) -> str:
    """Why the methods leave open what the fits say; nothing where they do not."""
    for level in found["levels"]:
        errors = [one.error for one in _bent(known, level)]
        alone = errors.count(None)
        if alone > (1 - KNOWN) * len(errors):
            return (
                f"one method alone has connected {alone} of {len(errors)} bent pairs at {level:g}: "
                "how far its paths are above the shortest is not known, and in no interval"
            )
    effect = abs(found["means"][-1] - found["means"][0])
    pairs = zip(found["method_errors"], found["levels"], strict=True)
    error, level = max((error, level) for error, level in pairs if error is not None)
    if error <= effect:
        return ""
    return (
        f"methods differ by {error:.2g} at {level:g}, more than the {effect:.2g} between the "
        "highest and the lowest level"
    )


def predicted(shape: str, fitted: dict[str, Any], levels: np.ndarray) -> np.ndarray:
    """What a shape, as `growth` fitted it, says of levels."""
    parameter = fitted[PARAMETER[shape]]["value"] if shape in PARAMETER else 0.0
    return fitted["A"]["value"] * np.exp(_curve(shape, levels, parameter))


def _fitted(values: Sequence[Value], seed: int, resamples: int) -> dict[str, Any]:
    pairs = sorted({(value.a, value.b) for value in values})
    all_levels = sorted({value.level for value in values}, reverse=True)
    table = np.full((len(pairs), len(all_levels)), np.nan)
    errors = np.zeros_like(table)
    rows, columns = {p: i for i, p in enumerate(pairs)}, {x: i for i, x in enumerate(all_levels)}
    for value in values:
        place = rows[value.a, value.b], columns[value.level]
        table[place], errors[place] = value.value, value.error
    with np.errstate(invalid="ignore"):
        kept = _means(np.ones((1, len(pairs))), table)[0] > STRAIGHT
    table, errors, levels = table[:, kept], errors[:, kept], np.array(all_levels)[kept]
    ends = np.array(pairs, int).reshape(-1, 2)
    models, uses = np.unique(ends, return_counts=True)
    shared = bool((uses > 1).any())
    found: dict[str, Any] = {
        "verdict": CANNOT_TELL,
        "reason": "",
        "models": len(models),
        "resampled": "models" if shared else "pairs",
        "levels": levels.tolist(),
        "means": _means(np.ones((1, len(pairs))), table)[0].tolist(),
        "left_out": int((~kept).sum()),
        "factor": None,
        "spread": None,
        "best": None,
        "shapes": {},
    }
    if not len(pairs):
        return found | {"reason": "no path was found, or only between ends that coincide"}
    if len(models) < FEWEST_MODELS:
        return found | {"reason": f"{len(models)} models, {FEWEST_MODELS} are needed"}
    if len(levels) < FEWEST_LEVELS:
        return found | {
            "reason": f"levels with paths that bend: {len(levels)}, {FEWEST_LEVELS} are needed"
        }
    if levels.min() <= 0:
        return found | {"reason": "a level that is not positive has no power law to compare with"}
    drawn = _draws(
        ends if shared else np.arange(2 * len(pairs)).reshape(-1, 2) // 2, seed, resamples
    )
    moved = np.random.default_rng([seed, 1]).uniform(-1, 1, (resamples, len(levels)))
    with np.errstate(invalid="ignore", divide="ignore"):
        first = _means(np.ones((1, len(pairs))), table)
        logs = np.log(np.concatenate([first, _moved_means(drawn, table, errors, moved)]))
    usable = np.isfinite(logs).all(1)
    if usable.mean() < 0.5:
        return found | {"reason": "too few connected pairs: most resamples of the models lack some"}
    return found | _compared(levels, logs[usable], found["resampled"]) | {"spread": _spread(table)}


def _means(weights: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Weighted means [resamples, levels] over the pairs that have a value at the level."""
    there = np.isfinite(table)
    return weights @ np.where(there, table, 0.0) / (weights @ there)


def _moved_means(
    weights: np.ndarray, table: np.ndarray, errors: np.ndarray, moved: np.ndarray
) -> np.ndarray:
    """`_means`, the values of each level moved by so many of their errors [resamples, levels]."""
    found = [
        (weights * np.where(np.isfinite(value), shifted, 0.0)).sum(1)
        / (weights @ np.isfinite(value))
        for value, error, by in zip(table.T, errors.T, moved.T, strict=True)
        for shifted in [np.maximum(value + by[:, None] * error, np.minimum(value, STRAIGHT))]
    ]
    return np.stack(found, 1)


def _draws(units: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """How often each pair [pairs, 2] of units counts in each resample of the units."""
    places = np.unique(units, return_inverse=True)[1].reshape(units.shape)
    count = int(places.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
    alone = places[:, 0] == places[:, 1]  # a pair that is a unit of its own
    return np.where(alone, drawn[:, places[:, 0]], drawn[:, places[:, 0]] * drawn[:, places[:, 1]])


def _spread(table: np.ndarray) -> float | None:
    several = np.isfinite(table).sum(0) > 2
    mean, sd = np.nanmean(table[:, several], 0), np.nanstd(table[:, several], 0, ddof=1)
    x, y = np.log(mean[sd > 0]), np.log(sd[sd > 0])
    if len(x) < 3 or np.ptp(x) < STRAIGHT:
        return None
    return float(np.polyfit(x, y, 1)[0])


def _compared(levels: np.ndarray, logs: np.ndarray, resampled: str) -> dict[str, Any]:
    """What the shapes make of log means [1 + resamples, levels], the first those of the data."""
    errors = np.stack([_left_out(shape, levels, logs) for shape in SHAPES])
    fits = {shape: _fit(shape, levels, logs) for shape in SHAPES}
    winners = np.array(list(SHAPES))[errors.argmin(0)]
    factor = np.exp(logs[:, levels.argmin()] - logs[:, levels.argmax()])
    agree = (winners[1:] == "exponential") & (fits["exponential"][1][1:] > 0)
    share, best = float(agree.mean()), str(winners[0])
    shapes = {}
    for shape, error in zip(SHAPES, errors, strict=True):
        log_a, parameter = fits[shape]
        shapes[shape] = {"formula": SHAPES[shape], "A": _interval(np.exp(log_a))}
        if shape in PARAMETER:
            shapes[shape][PARAMETER[shape]] = _interval(parameter)
        shapes[shape] |= {
            "error": float(error[0]),
            "best": float((winners[1:] == shape).mean()),
        }
    verdict = (
        SUPPORTED
        if share >= CONFIDENCE
        else NOT_SUPPORTED
        if share <= 1 - CONFIDENCE
        else CANNOT_TELL
    )
    return {
        "verdict": verdict,
        "reason": f"the exponential was best in {100 * share:.0f} % of {len(agree):,} resamples "
        f"of the {resampled}",
        "factor": _interval(factor),
        "best": best,
        "shapes": shapes,
    }


def _interval(values: np.ndarray) -> dict[str, Any]:
    """The first value, and the percentiles of the rest."""
    low, high = np.quantile(values[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"value": float(values[0]), "interval": [float(low), float(high)]}


def _left_out(shape: str, levels: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Root mean square error [fits] of predicting each level from all others."""
    squares = np.zeros(len(logs))
    for place in range(len(levels)):
        rest = np.arange(len(levels)) != place
        log_a, parameter = _fit(shape, levels[rest], logs[:, rest])
        predicted = log_a + _curve(shape, levels[place], parameter)
        squares += (logs[:, place] - predicted) ** 2
    return np.sqrt(squares / len(levels))


def _curve(shape: str, level: Any, parameter: Any) -> Any:
    """log y − log A."""
    if shape == "exponential":
        return -parameter * level
    if shape == "power law":
        return -parameter * np.log(level)
    if shape == "saturating":
        return -np.log1p(level / parameter)
    return 0.0 * level


def _fit(shape: str, levels: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log A and the shape's parameter, [fits] each; the saturating's is the best of a grid."""
    centre = logs.mean(1)
    if shape == "constant":
        return centre, np.zeros(len(logs))
    if shape == "saturating":
        halves = np.geomspace(levels.min() * 1e-4, levels.max() * 1e4, HALVES)
        curves = _curve(shape, levels, halves[:, None])
        bends = curves - curves.mean(1, keepdims=True)
        misfits = (bends**2).sum(1) - 2 * (logs - centre[:, None]) @ bends.T
        half = _lowest(np.log(halves), misfits)
        return centre - _curve(shape, levels, half[:, None]).mean(1), half
    basis = _curve(shape, levels, 1.0)
    bend = basis - basis.mean()
    parameter = (logs @ bend) / (bend @ bend)
    return centre - parameter * basis.mean(), parameter


def _lowest(grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where values [fits, grid] are lowest: the vertex of the parabola through the lowest of an
    even grid of logarithms and its neighbours, exponentiated."""
    middle = np.clip(values.argmin(1), 1, len(grid) - 2)
    before, at, after = (values[np.arange(len(values)), middle + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend > 0, (before - after) / (2 * np.where(bend > 0, bend, 1)), 0)
    return np.exp(grid[middle] + np.clip(shift, -1, 1) * (grid[1] - grid[0]))
