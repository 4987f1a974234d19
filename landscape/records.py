"""The flat records of a run: their keys, which are the columns of its tables.

A record of snapshots/ is `SNAPSHOT`'s keys, of barriers/ `BARRIER`'s. Of both, max_loss +
last_change bounds the loss on the whole path; landscape/topology.py makes components, the
disconnectivity graph and persistence of them and the rows.

What is measured is a flat record (STRING_COLUMNS, MODEL_COLUMNS; None where it does not apply,
`reason` says why) beside arrays (NaN where a number does not apply). A string's arrays:
    shortened.<parameter> [beads, ...]  the shortened string, certified below the row's limit
    history [steps, 5]                  (sweeps, gradient evaluations, beads, length, certified or
                                        not) while the string was shortened
    turning.found, turning [beads, 2]   (fraction of the length, turning angle in radians), of the
                                        string as found and of the shortened one
    beads.<name> [k]                    at k points, its beads evenly spread and its highest point:
        at (fraction of the length), loss, gradient (its norm), level_curvature, smallest, largest
        (eigenvalues), smallest_error, largest_error, normal_mean, normal_spread, normal_smallest,
        normal_largest (normal curvatures of the level set)
    of the first `measure.spectrum` strings of each set and level, and any that were the first when
    they were measured (others have no peak_trace, probes and steps), at the same points:
        beads.trace, beads.trace_error [k]   mean over the probes, and its standard error
        spectrum.nodes, spectrum.weights [k, probes, steps]
A model's arrays, where its spectrum was asked for:
    spectrum.nodes, spectrum.weights [probes, steps]   every probe's weights sum to 1
Where parameters are no more than measure.probes · measure.steps, traces and spectra are exact:
by the products with all unit vectors, kept as of one probe with as many steps as parameters, all
nodes of one weight; the trace's error is 0.
"""

from __future__ import annotations

from landscape.files import Row

COLUMNS: tuple[str, ...] = (
    "task", "method", "level", "a", "b", "status", "beads", "length", "chord",
    "normalized_length", "max_loss", "barrier", "rounds", "grad_evals", "seconds",
    "set", "limit", "loss_a", "loss_b", "max_at", "last_change", "resolution", "grid",
    "verified", "chained_from", "curve_max", "bound", "reason",
)  # fmt: skip

CERTIFIED = (
    "max_loss", "last_change", "max_at", "resolution", "grid", "verified", "beads", "length",
    "chord", "normalized_length", "grad_evals", "seconds", "status", "reason",
)  # fmt: skip
# from the model's snapshot at `level` to the one at `lower`; CONNECTED below `limit`, the level's
SNAPSHOT = ("model", "level", "lower", "limit", *CERTIFIED)
# between the snapshots at level_a and level_b, whose losses are loss_a and loss_b: no barrier is
# lower than the greater. start: the bound of the path that was lowered; origin: its set and level,
# or `straight`; gradient: its norm at the band's highest bead, None where nothing was lowered;
# band: the most beads of a band, which is as many as compute.memory holds, None the same;
# status: TIGHT (near the ends' losses), CONVERGED, BUDGET, KEPT (not lowered: reason), or RAISED
# (`lscape verify` has found it higher than it was known to be: reason)
BARRIER = (
    "a", "b", "level_a", "level_b", "loss_a", "loss_b", "start", "origin", "gradient", "band",
    *CERTIFIED,
)  # fmt: skip

STRING_COLUMNS: tuple[str, ...] = (
    "measures", "set", "method", "level", "a", "b", "limit",
    "shortening", "beads_found", "beads", "sweeps", "grad_evals", "seconds",
    "length_found", "length", "chord", "normalized_length_found", "normalized_length",
    "length_change", "max_loss", "max_at", "last_change", "resolution", "grid", "verified",
    "scaled_length_found", "scaled_length", "scaled_chord",
    "function_length_found", "function_length", "function_chord", "function_change",
    "function_metric", "function_samples",
    "total_curvature_found", "total_curvature", "curvature_density", "curvature_middle",
    "largest_angle", "largest_angle_at",
    "peak_at", "peak_loss", "peak_gradient", "peak_smallest", "peak_smallest_error",
    "peak_largest", "peak_largest_error", "peak_trace", "peak_trace_error", "probes", "steps",
    "peak_verdict",
    "level_curvature_mean", "level_curvature_lowest", "level_curvature_highest",
    "level_curvature_points", "hessian_of", "hessian_by", "hessian_step", "source", "reason",
)  # fmt: skip

MODEL_COLUMNS: tuple[str, ...] = (
    "measures", "level", "model", "value", "seconds",
    "loss", "gradient", "smallest", "smallest_error", "largest", "largest_error", "trace",
    "trace_error", "probes", "steps", "hessian_of", "hessian_by", "hessian_step", "source",
    "reason",
)  # fmt: skip

WIDER = "a smaller train.learning_rate, or wider types in the task, may help"


def why_missed(model: Row) -> str:
    """Of a model that missed a level, a record of models.json: how it ended, and what may help."""
    steps, value = model["steps"], model["value"]
    if value is None:
        return f"non-finite by step {steps}; {WIDER}" if steps else "non-finite before any training"
    if not steps:
        return f"{value:.6g} without any training"
    return f"{value:.6g} after {steps} steps; more train.max_steps, or another rate, may help"


RAISED = "RAISED"  # of a barrier
OFF = "OFF"  # of the shortening of a string: it was not to be shortened
DOWNGRADED = "DOWNGRADED"  # of a shortened string that a finer grid found above its limit
