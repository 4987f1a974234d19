"""The records of a run: their keys, which are the columns of its tables, and what each may be.

Whatever is read is checked against these types (`files.checked`) before anything is made of it.
Of snapshots and barriers, max_loss + last_change bounds the loss on the whole path;
landscape/analysis/topology.py makes components, the disconnectivity graph and persistence of them
and the rows.

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

from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,  # pydantic's, before Python 3.12
    TypeVar,
)

from pydantic import AfterValidator, Field, FiniteFloat, NonNegativeInt, PositiveInt
from typing_extensions import TypedDict

RAISED = "RAISED"  # of a barrier
OFF = "OFF"  # of the shortening of a string: it was not to be shortened
DOWNGRADED = "DOWNGRADED"  # of a shortened string that a finer grid found above its limit

ROUNDING = 1e-9
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Part = Annotated[float, Field(ge=-ROUNDING, le=1 + ROUNDING)]
Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]


# -- what every file of arrays has -----------------------------------------------------------------


class Header(TypedDict):
    """Beside the arrays of a safetensors file; record: the rest as JSON, sha256: of that text."""

    format: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]
    record: str
    sha256: Checksum


class Contents(TypedDict):
    """In every such record; arrays: the type and shape of each, as `float32[2, 3]`, by name."""

    arrays: dict[str, str]
    arrays_sha256: Checksum


# -- paths -----------------------------------------------------------------------------------------

SearchStatus = Literal["CONNECTED", "NOT_FOUND", "STUCK", "NON_FINITE", "LEVEL_NOT_REACHED"]


class StringRecord(TypedDict):
    """A row of results.csv; facts: what a construction says of its curve, by name."""

    task: str
    method: str
    level: FiniteFloat
    a: NonNegativeInt
    b: NonNegativeInt
    status: SearchStatus
    beads: NonNegativeInt | None
    length: Amount | None
    chord: Amount | None
    normalized_length: Amount | None
    max_loss: FiniteFloat | None
    barrier: FiniteFloat | None
    rounds: NonNegativeInt | None
    grad_evals: NonNegativeInt
    seconds: Amount | None
    set: FileName
    limit: FiniteFloat | None
    loss_a: FiniteFloat | None
    loss_b: FiniteFloat | None
    max_at: Part | None
    last_change: Amount | None
    resolution: Part | None
    grid: PositiveInt | None
    verified: PositiveInt | None
    chained_from: FiniteFloat | None
    restarts: NonNegativeInt | None
    curve_max: FiniteFloat | None
    bound: FiniteFloat | None
    reason: str
    facts: NotRequired[dict[str, FiniteFloat]]


def _complete(row: StringRecord) -> StringRecord:
    """What was searched has numbers, and what is CONNECTED all of them."""
    wanted: tuple[str, ...] = ()
    if row["status"] != "LEVEL_NOT_REACHED":
        wanted = "limit", "grid", "beads"
    if row["status"] == "CONNECTED":
        certificate = "max_loss", "last_change", "max_at", "resolution", "barrier"
        wanted = *wanted, *certificate, "length", "chord", "loss_a", "loss_b"
    missing = [key for key in wanted if row[key] is None]
    if missing:
        raise ValueError(f"{row['status']} has a number for {', '.join(missing)}")
    if (row["loss_a"] is None) != (row["loss_b"] is None):
        raise ValueError("loss_a and loss_b are both known or neither is")
    return row


SavedString = Annotated[StringRecord, AfterValidator(_complete)]


class _Certified(TypedDict):
    max_loss: FiniteFloat | None
    last_change: Amount | None
    max_at: Part | None
    resolution: Part | None
    grid: PositiveInt
    verified: PositiveInt | None
    beads: NonNegativeInt
    length: Amount | None
    chord: Amount | None
    normalized_length: Amount | None
    grad_evals: NonNegativeInt
    seconds: Amount
    reason: str


class SnapshotRecord(_Certified):
    """From the model's snapshot at `level` to the one at `lower`; CONNECTED below `limit`, the
    level's."""

    model: NonNegativeInt
    level: FiniteFloat
    lower: FiniteFloat
    limit: FiniteFloat
    status: SearchStatus


def _falling(record: SnapshotRecord) -> SnapshotRecord:
    if record["lower"] >= record["level"]:
        raise ValueError("lower is below level")
    return record


SavedSnapshot = Annotated[SnapshotRecord, AfterValidator(_falling)]


class BarrierRecord(_Certified):
    """Between the snapshots at level_a and level_b, whose losses are loss_a and loss_b: no barrier
    is lower than the greater.

    start: the bound of the path that was lowered; origin: its set and level, or `straight`;
    gradient: its norm at the last band's highest bead, None where no band was made; band: the most
    beads of a band, which is as many as compute.memory holds, None the same; restarts: how often it
    was begun anew off its line; status: TIGHT (near the ends' losses), CONVERGED, BUDGET, KEPT (not
    lowered: reason), or RAISED (`lscape verify` has found it higher than it was known to be:
    reason).
    """

    a: NonNegativeInt
    b: NonNegativeInt
    level_a: FiniteFloat
    level_b: FiniteFloat
    loss_a: FiniteFloat | None
    loss_b: FiniteFloat | None
    start: FiniteFloat | None
    origin: str
    gradient: Amount | None
    band: PositiveInt | None
    restarts: NonNegativeInt
    status: Literal["TIGHT", "CONVERGED", "BUDGET", "KEPT", "RAISED"]


# -- measures --------------------------------------------------------------------------------------


# CONVERGED: the error is below a ten-thousandth of the eigenvalue; ROUNDING: it is what rounding
# allows; BUDGET: measure.steps were spent first; NON_FINITE: the Hessian is not finite
EigenvalueStatus = Literal["CONVERGED", "ROUNDING", "BUDGET", "NON_FINITE"]


class StringMeasure(TypedDict):
    measures: FileName
    set: FileName
    method: str
    level: FiniteFloat
    a: NonNegativeInt
    b: NonNegativeInt
    limit: FiniteFloat
    shortening: Literal["CONVERGED", "STALLED", "BUDGET", "OFF", "DOWNGRADED"]
    beads_found: NonNegativeInt
    beads: NonNegativeInt
    sweeps: NonNegativeInt
    grad_evals: NonNegativeInt
    seconds: Amount
    length_found: Amount | None
    length: Amount | None
    chord: Amount | None
    normalized_length_found: Amount | None
    normalized_length: Amount | None
    length_change: Amount | None
    max_loss: FiniteFloat | None
    max_at: Part | None
    last_change: Amount | None
    resolution: Part | None
    grid: PositiveInt
    verified: PositiveInt | None
    scaled_length_found: Amount | None
    scaled_length: Amount | None
    scaled_chord: Amount | None
    function_length_found: Amount | None
    function_length: Amount | None
    function_chord: Amount | None
    function_change: Amount | None
    function_metric: Literal["l2", "jsd"] | None
    function_samples: NonNegativeInt | None
    total_curvature_found: Amount | None
    total_curvature: Amount | None
    curvature_density: Amount | None
    curvature_middle: Part | None
    largest_angle: Amount | None
    largest_angle_at: Part | None
    peak_at: Part | None
    peak_loss: FiniteFloat | None
    peak_gradient: Amount | None
    peak_smallest: FiniteFloat | None
    peak_smallest_error: Amount | None
    peak_smallest_status: EigenvalueStatus | None
    peak_largest: FiniteFloat | None
    peak_largest_error: Amount | None
    peak_largest_status: EigenvalueStatus | None
    products: NonNegativeInt | None
    peak_trace: FiniteFloat | None
    peak_trace_error: Amount | None
    probes: PositiveInt | None
    steps: PositiveInt | None
    peak_verdict: str | None
    level_curvature_mean: FiniteFloat | None
    level_curvature_lowest: FiniteFloat | None
    level_curvature_highest: FiniteFloat | None
    level_curvature_points: NonNegativeInt | None
    hessian_of: str | None
    hessian_by: str | None
    hessian_step: FiniteFloat | None
    source: Checksum
    reason: str


class ModelMeasure(TypedDict):
    measures: FileName
    level: FiniteFloat
    model: NonNegativeInt
    value: FiniteFloat
    seconds: Amount
    loss: FiniteFloat | None
    gradient: Amount | None
    smallest: FiniteFloat | None
    smallest_error: Amount | None
    smallest_status: EigenvalueStatus | None
    largest: FiniteFloat | None
    largest_error: Amount | None
    largest_status: EigenvalueStatus | None
    products: NonNegativeInt | None
    parameters: PositiveInt | None
    trace: FiniteFloat | None
    trace_error: Amount | None
    probes: PositiveInt | None
    steps: PositiveInt | None
    hessian_of: str | None
    hessian_by: str | None
    hessian_step: FiniteFloat | None
    source: Checksum
    reason: str


class PartMeasure(TypedDict):
    """Of the Hessian's diagonal block of the parameters that match `over`, at a model."""

    level: FiniteFloat
    model: NonNegativeInt
    over: str
    parameters: PositiveInt
    gradient: Amount | None
    smallest: FiniteFloat | None
    smallest_error: Amount | None
    smallest_status: EigenvalueStatus
    largest: FiniteFloat | None
    largest_error: Amount | None
    largest_status: EigenvalueStatus
    products: NonNegativeInt
    trace: FiniteFloat | None
    trace_error: Amount | None
    probes: PositiveInt


class TopMeasure(TypedDict):
    """One of the largest eigenvalues at a model, counted with multiplicity; rank: 1 is the largest;
    products: of all ranks together."""

    level: FiniteFloat
    model: NonNegativeInt
    rank: PositiveInt
    value: FiniteFloat | None
    error: Amount | None
    status: EigenvalueStatus
    products: NonNegativeInt


class OtherMeasureRecord(TypedDict):
    """A quantity of a measure of `measure.also`; of a path (set, a, b) or of a model."""

    measure: str
    level: FiniteFloat
    set: FileName | None
    a: NonNegativeInt | None
    b: NonNegativeInt | None
    model: NonNegativeInt | None
    quantity: str
    value: FiniteFloat | None
    error: Amount | None
    reason: str


Measured = TypeVar("Measured", StringMeasure, ModelMeasure, PartMeasure, TopMeasure)


def _with_errors(record: Measured) -> Measured:
    """No eigenvalue is without its error."""
    for key, value in record.items():
        error = "error" if key == "value" else f"{key}_error"
        known = "status" in record if key == "value" else f"{key}_status" in record
        if known and (value is None) != (record.get(error) is None):
            raise ValueError(f"{key} and {error} are both known or neither is")
    return record


SavedStringMeasure = Annotated[StringMeasure, AfterValidator(_with_errors)]
SavedModelMeasure = Annotated[ModelMeasure, AfterValidator(_with_errors)]
SavedPart = Annotated[PartMeasure, AfterValidator(_with_errors)]
SavedTop = Annotated[TopMeasure, AfterValidator(_with_errors)]

COLUMNS = tuple(name for name in StringRecord.__annotations__ if name != "facts")
SNAPSHOT = tuple(SnapshotRecord.__annotations__)
BARRIER = tuple(BarrierRecord.__annotations__)
STRING_COLUMNS = tuple(StringMeasure.__annotations__)
MODEL_COLUMNS = tuple(ModelMeasure.__annotations__)
PART_COLUMNS = tuple(PartMeasure.__annotations__)
TOP_COLUMNS = tuple(TopMeasure.__annotations__)
OTHER_COLUMNS = tuple(OtherMeasureRecord.__annotations__)


# -- planes ----------------------------------------------------------------------------------------


class Drawn(TypedDict):
    """A string on a plane; distance: how far it leaves the plane, at a fraction of its length."""

    a: NonNegativeInt
    b: NonNegativeInt
    set: FileName
    status: SearchStatus
    distance: Amount
    distance_at: Part
    chord: Positive


class Trajectory(TypedDict):
    """A model of a run on its way; distance: how far it leaves the plane, at which step; chord:
    from its first snapshot to its last."""

    run: str
    model: NonNegativeInt
    optimizer: str
    learning_rate: Positive
    snapshots: PositiveInt
    distance: Amount
    distance_at: NonNegativeInt
    chord: Amount


Span = Annotated[list[FiniteFloat], Field(min_length=4, max_length=4)]


class PlaneRecord(TypedDict):
    """span: from and to along x, then y, None where everything on the plane is in it; filters: of
    random directions, the axes that number each array's filters, None for one that is held still;
    trajectories and shares, of the variance of their snapshots along x and y: of their plane, whose
    models are those that were asked for, [] for all."""

    kind: Literal["models", "pair", "random", "trajectory"]
    models: list[NonNegativeInt]
    level: FiniteFloat
    grid: PositiveInt
    metric: str
    strings: list[Drawn]
    span: NotRequired[Span | None]
    filters: NotRequired[dict[str, list[NonNegativeInt] | None]]
    trajectories: NotRequired[Annotated[list[Trajectory], Field(min_length=1)]]
    shares: NotRequired[Annotated[list[Part], Field(min_length=2, max_length=2)]]


def _whole(record: PlaneRecord) -> PlaneRecord:
    known = "trajectories" in record, "shares" in record
    if known != (record["kind"] == "trajectory",) * 2:
        raise ValueError("a plane has trajectories and shares where its kind is trajectory")
    return record


SavedPlane = Annotated[PlaneRecord, AfterValidator(_whole)]


# -- models and runs -------------------------------------------------------------------------------


class EndPoint(TypedDict):
    """Beside a model's parameters where it first met a level."""

    model: NonNegativeInt
    level: FiniteFloat
    step: NonNegativeInt
    value: FiniteFloat


class Line(TypedDict):
    """Of history.jsonl."""

    model: NonNegativeInt
    step: NonNegativeInt
    value: FiniteFloat


class Met(TypedDict):
    level: FiniteFloat
    status: Literal["REACHED", "LEVEL_NOT_REACHED"]
    step: NonNegativeInt | None
    value: FiniteFloat | None


def _met(entry: Met) -> Met:
    if {entry["step"] is None, entry["value"] is None} != {entry["status"] != "REACHED"}:
        raise ValueError("a level has a step and a value where it is REACHED, and only there")
    return entry


class ModelRecord(TypedDict):
    """A model of models.json, and which levels it met."""

    model: NonNegativeInt
    status: Literal["TRAINED", "NON_FINITE"]
    steps: NonNegativeInt
    value: FiniteFloat | None
    levels: list[Annotated[Met, AfterValidator(_met)]]


WIDER = "a smaller train.learning_rate, or wider types in the task, may help"


def why_missed(steps: int, value: float | None) -> str:
    """How a model that missed a level ended, and what may help; a value of None is not finite."""
    if value is None:
        return f"non-finite by step {steps}; {WIDER}" if steps else "non-finite before any training"
    if not steps:
        return f"{value:.6g} without any training"
    return f"{value:.6g} after {steps} steps; more train.max_steps, or another rate, may help"


def _numbered(models: list[ModelRecord]) -> list[ModelRecord]:
    if [record["model"] for record in models] != [*range(len(models))]:
        raise ValueError(f"models are numbered from 0 to {len(models) - 1}")
    return models


Models = Annotated[list[ModelRecord], AfterValidator(_numbered)]


class FinalStateRecord(TypedDict):
    """Where training ended: the loss, ‖θ‖, the gradient's norm, what the loss would fall by, by
    gradient and Hessian, and the Hessian's extremes."""

    model: NonNegativeInt
    value: FiniteFloat
    size: Amount
    gradient: Amount
    gain: FiniteFloat
    smallest: FiniteFloat
    smallest_error: Amount
    largest: FiniteFloat


class Side(TypedDict):
    model: NonNegativeInt
    level: FiniteFloat
    side: Literal[-1, 0, 1]


AroundZero = TypedDict(
    "AroundZero",
    {
        "F(0)": FiniteFloat, "sigma": FiniteFloat, "mu": FiniteFloat, "s*": FiniteFloat,
        "f(s*)": FiniteFloat,
    },
)  # fmt: skip
RankOne = TypedDict(
    "RankOne",
    {"angles": list[FiniteFloat], "scan": list[FiniteFloat], "pass": NotRequired[FiniteFloat]},
)


class BoundAroundZero(TypedDict):
    name: Literal["around zero"]
    height: FiniteFloat
    facts: AroundZero
    sides: list[Side]


class BoundRankOne(TypedDict):
    name: Literal["rank one"]
    height: FiniteFloat
    facts: RankOne
    sides: list[Side]


# no path from one side to the other stays below the height, by proof
LowerBoundRecord = Annotated[BoundAroundZero | BoundRankOne, Field(discriminator="name")]


class Join(TypedDict):
    a: NonNegativeInt
    b: NonNegativeInt
    level: FiniteFloat


class TreeRecord(TypedDict):
    """Of a level of a set's tree: `topology.tree_record`'s."""

    level: FiniteFloat
    limit: FiniteFloat
    tries: PositiveInt
    models: NonNegativeInt
    pairs: NonNegativeInt
    searched: NonNegativeInt
    connected: NonNegativeInt
    components: list[list[NonNegativeInt]]
    joins: list[Join]


StageStatus = Literal["running", "done", "interrupted", "failed"]


class Meta(TypedDict):
    """What a run was made with, and how far it is; measures: the latest ones; changed: what a set
    or measures have other than the config, `section.key=value`, by its name."""

    format: PositiveInt
    config_sha256: Checksum
    status: StageStatus
    stages: dict[str, StageStatus]
    stage: NotRequired[str]
    measures: NotRequired[FileName]
    changed: NotRequired[dict[str, list[str]]]
    command: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    device: NotRequired[str]
    commit: NotRequired[str | None]
    parameters: NotRequired[NonNegativeInt]
    models: NotRequired[NonNegativeInt]


class Combination(TypedDict):
    values: dict[str, Any]
    directory: FileName
    set: FileName


class SweepRecord(TypedDict):
    format: PositiveInt
    name: str
    over: dict[str, list[Any]]
    measures: list[str]
    chart: Literal["lines", "map"]
    rate: bool
    theory: str | None
    runs: list[Combination]
