"""The records of `lscape measure`: of strings and of models.

What is measured is a flat record (StringMeasure, ModelMeasure; None where it does not apply,
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
Its file holds the records of measure.over (`parts`) and of measure.top (`top`) besides; the files
of models and of strings those of measure.also (`also`).
Where parameters are no more than measure.probes · measure.steps, traces and spectra are exact:
by the products with all unit vectors, kept as of one probe with as many steps as parameters, all
nodes of one weight; the trace's error is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from landscape.store.records.base import (
    OPTIONAL,
    Amount,
    Checksum,
    Count,
    FileName,
    Name,
    Number,
    OneOrMore,
    Part,
    Record,
)

OFF = "OFF"  # of the shortening of a string: it was not to be shortened
DOWNGRADED = "DOWNGRADED"  # of a shortened string that a finer grid found above its limit

# CONVERGED: the error is below a ten-thousandth of the eigenvalue; ROUNDING: it is what rounding
# allows; BUDGET: measure.steps were spent first; NON_FINITE: the Hessian is not finite
EigenvalueStatus = Literal["CONVERGED", "ROUNDING", "BUDGET", "NON_FINITE"]


@dataclass(frozen=True, kw_only=True)
class _WithErrors(Record):
    """No eigenvalue is without its error."""

    def __post_init__(self) -> None:
        known = vars(self)
        for key, value in known.items():
            prefix = "" if key == "value" else f"{key}_"
            if f"{prefix}status" in known and (value is None) != (known[f"{prefix}error"] is None):
                raise ValueError(f"{key} and {prefix}error are both known or neither is")


@dataclass(frozen=True, kw_only=True)
class StringMeasure(_WithErrors):
    measures: FileName
    set: FileName
    method: Name
    level: Number
    a: Count
    b: Count
    limit: Number
    shortening: Literal["CONVERGED", "STALLED", "BUDGET", "OFF", "DOWNGRADED"]
    beads_found: Count
    beads: Count
    sweeps: Count
    grad_evals: Count
    loss_evals: Count
    seconds: Amount
    length_found: Amount | None
    length: Amount | None
    chord: Amount | None
    normalized_length_found: Amount | None
    normalized_length: Amount | None
    length_change: Amount | None
    max_loss: Number | None
    max_at: Part | None
    last_change: Amount | None
    resolution: Part | None
    grid: Count
    verified: OneOrMore | None
    scaled_length_found: Amount | None
    scaled_length: Amount | None
    scaled_chord: Amount | None
    function_length_found: Amount | None
    function_length: Amount | None
    function_chord: Amount | None
    function_change: Amount | None
    function_metric: Literal["l2", "jsd"] | None
    function_samples: Count | None
    total_curvature_found: Amount | None
    total_curvature: Amount | None
    curvature_density: Amount | None
    curvature_middle: Part | None
    largest_angle: Amount | None
    largest_angle_at: Part | None
    peak_at: Part | None
    peak_loss: Number | None
    peak_gradient: Amount | None
    peak_smallest: Number | None
    peak_smallest_error: Amount | None
    peak_smallest_status: EigenvalueStatus | None
    peak_largest: Number | None
    peak_largest_error: Amount | None
    peak_largest_status: EigenvalueStatus | None
    products: Count | None
    peak_trace: Number | None
    peak_trace_error: Amount | None
    probes: OneOrMore | None
    steps: OneOrMore | None
    peak_verdict: str | None
    level_curvature_mean: Number | None
    level_curvature_lowest: Number | None
    level_curvature_highest: Number | None
    level_curvature_points: Count | None
    hessian_of: str | None
    hessian_by: str | None
    hessian_step: Number | None
    source: Checksum
    reason: str
    rounding: Amount | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class ModelMeasure(_WithErrors):
    measures: FileName
    level: Number
    model: Count
    value: Number
    seconds: Amount
    loss: Number | None
    gradient: Amount | None
    smallest: Number | None
    smallest_error: Amount | None
    smallest_status: EigenvalueStatus | None
    largest: Number | None
    largest_error: Amount | None
    largest_status: EigenvalueStatus | None
    products: Count | None
    parameters: OneOrMore | None
    trace: Number | None
    trace_error: Amount | None
    probes: OneOrMore | None
    steps: OneOrMore | None
    hessian_of: str | None
    hessian_by: str | None
    hessian_step: Number | None
    source: Checksum
    reason: str


@dataclass(frozen=True, kw_only=True)
class PartMeasure(_WithErrors):
    """Of the Hessian's diagonal block of the parameters that match `over`, at a model."""

    level: Number
    model: Count
    over: Name
    parameters: OneOrMore
    gradient: Amount | None
    smallest: Number | None
    smallest_error: Amount | None
    smallest_status: EigenvalueStatus
    largest: Number | None
    largest_error: Amount | None
    largest_status: EigenvalueStatus
    products: Count
    trace: Number | None
    trace_error: Amount | None
    probes: OneOrMore


@dataclass(frozen=True, kw_only=True)
class TopMeasure(_WithErrors):
    """One of the largest eigenvalues at a model, counted with multiplicity; rank: 1 is the largest;
    products: of all ranks together."""

    level: Number
    model: Count
    rank: OneOrMore
    value: Number | None
    error: Amount | None
    status: EigenvalueStatus
    products: Count


@dataclass(frozen=True, kw_only=True)
class OtherMeasureRecord(Record):
    """A quantity of a measure of `measure.also`; of a path (set, a, b) or of a model."""

    measure: str
    level: Number
    set: FileName | None
    a: Count | None
    b: Count | None
    model: Count | None
    quantity: str
    value: Number | None
    error: Amount | None
    reason: str
