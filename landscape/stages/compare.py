"""Methods side by side: each searches the same pairs and levels of a run within one budget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from landscape.analysis.comparison import compared
from landscape.config.connect_section import method_of
from landscape.config.load import Config, ConfigError, revised
from landscape.config.naming import digest, set_name
from landscape.config.sections import combination_name, named_method
from landscape.config.validation import validated
from landscape.stages.build import Progress, config_of, silent
from landscape.stages.connect import connect
from landscape.store.comparisons import compared_rows, write_comparison
from landscape.store.records.comparisons import ComparisonRecord
from landscape.store.run import Run


def compare(
    run: Run,
    methods: Sequence[str | Sequence[object] | Mapping[str, object]],
    budget: int,
    overrides: Sequence[str] = (),
    levels: Sequence[float] | None = None,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Search every pair and level of a trained run by each method, within one budget.

    The budget counts all that a search does, a loss as a third of a gradient; the certificate that
    judges the path it ends with comes on top. Every pair starts from the straight line, or from
    what `connect.start` says, never from a path of another level. What is there already is not
    searched again, and an unfinished comparison is resumed with the same result.

    Args:
        run: A run that has been trained.
        methods: Each by its name, or `method` and its settings; a list of names is a sequence. A
            name alone has the run's own settings where the run searches by that method, else the
            method's defaults. The others are set against the first.
        budget: Gradients a pair and level.
        overrides: `connect.key=value` over the run's config, such as `connect.pairs`.
        levels: Some of the run's levels; None: all.
        progress: Is told how far this is.

    Returns:
        A record a level and method (`landscape.analysis.comparison.compared`), over the pairs that
        all of them have searched.

    Raises:
        ConfigError: The settings cannot be used.
        RunError: Training is not finished, files are damaged, or another process holds the run.
        OSError: The disk is full, or the like.
    """
    if not methods:
        raise ConfigError("methods: there is none to compare")
    own = config_of(run)
    first, *others = [_entry(own, given, number) for number, given in enumerate(methods)]
    name, settings = named_method(first)
    given = {"method": name, **settings, "also": others, "budget": budget, "chain": False}
    asked = [f"connect.{key}={json.dumps(value)}" for key, value in given.items()]
    config = revised(own, [*overrides, *asked])
    connect(run, [*overrides, *asked], levels, progress)
    sets = [set_name(search) for search in config.connect.searches]
    searches = [*map(_said, methods)]
    searches += [f"{said}, not aligned" for said in searches[: len(sets) - len(searches)]]
    name = f"{budget}-{digest(sets)[:6]}"
    record = ComparisonRecord(name=name, budget=budget, sets=sets, searches=searches)
    with run.stage("compare"):
        write_comparison(run, record)
    return compared(record, compared_rows(run, record))


def _entry(
    config: Config, given: str | Sequence[object] | Mapping[str, object], number: int
) -> dict[str, object]:
    """A method with all its settings, whatever the run's own are. Raises ConfigError."""
    entry = given if isinstance(given, Mapping) else {"method": given}
    name, settings = named_method(entry)
    key = f"methods[{number}]"
    kind, problems = method_of(name, key if name is not None else f"{key}.method")
    if kind is not None:
        _, problems = validated(kind, settings, key)
    if kind is None or problems:
        raise ConfigError(*(f"{key}: {said}" for key, said in problems))
    if name == config.connect.method and not settings:
        return {"method": name, **config.connect.finder.model_dump(mode="json")}
    defaults = {key: one.default for key, one in kind.model_fields.items()}
    return {"method": name, **to_jsonable_python(defaults), **settings}


def _said(given: object) -> str:
    """What a reader calls a search: `bezier, points 5 then dss`."""
    name, settings = named_method(given if isinstance(given, Mapping) else {"method": given})
    if name == "sequence":
        return " then ".join(map(_said, settings.pop("methods", ())))
    return ", ".join([str(name), combination_name(settings)] if settings else [str(name)])
