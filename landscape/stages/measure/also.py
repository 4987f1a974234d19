"""The measures of `measure.also`: a record a quantity, beside what is always measured."""

from __future__ import annotations

from collections.abc import Mapping

from landscape.measures.base import Measure, Quantity, Subject
from landscape.stages.measure.context import MeasureContext
from landscape.store.files import finite
from landscape.store.records.base import made
from landscape.store.records.measures import OtherMeasureRecord
from landscape.store.records.models import EndPoint
from landscape.store.records.strings import StringRecord


def measured_also(
    context: MeasureContext, subject: Subject, of: StringRecord | EndPoint
) -> list[OtherMeasureRecord]:
    """The records of all measures of the subject's kind, which is of this string or model. A
    measure that fails says so in a record of its own; the others go on."""
    kind = "model" if isinstance(of, EndPoint) else "path"
    records = []
    for measure, bound in context.others:
        if measure.of == kind:
            records += _records(measure, bound(subject), of)
    return records


def _records(
    measure: Measure, found: Mapping[str, Quantity], of: StringRecord | EndPoint
) -> list[OtherMeasureRecord]:
    keys = ("model",) if isinstance(of, EndPoint) else ("set", "a", "b")
    return [
        made(
            OtherMeasureRecord,
            measure=measure.name,
            level=of.level,
            **{key: getattr(of, key) for key in keys},
            quantity=quantity,
            **finite(
                {
                    "value": None if one.value is None else float(one.value),
                    "error": None if one.error is None else float(one.error),
                }
            ),
            reason="",
        )
        for quantity, one in found.items()
    ]
