"""The measures of `measure.also`: a record a quantity, beside what is always measured."""

from __future__ import annotations

from collections.abc import Mapping

from landscape.measures.base import Measure, Quantity, Subject
from landscape.stages.measure.context import MeasureContext
from landscape.store.files import Row, finite


def measured_also(context: MeasureContext, subject: Subject, who: Row) -> list[Row]:
    """The records of all measures of the subject's kind.

    who: the keys of the subject: level, and set, a and b, or model. A measure that fails says so in
    a record of its own; the others go on.
    """
    kind = "model" if "model" in who else "path"
    records = []
    for measure, bound in context.others:
        if measure.of == kind:
            records += _records(measure, bound(subject), who)
    return records


def _records(measure: Measure, found: Mapping[str, Quantity], who: Row) -> list[Row]:
    named = {"set": None, "a": None, "b": None, "model": None} | who
    return [
        finite(
            {
                "measure": measure.name,
                **named,
                "quantity": quantity,
                "value": None if one.value is None else float(one.value),
                "error": None if one.error is None else float(one.error),
                "reason": "",
            }
        )
        for quantity, one in found.items()
    ]
