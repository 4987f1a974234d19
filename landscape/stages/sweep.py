"""All of a run, and all the runs of a sweep."""

from __future__ import annotations

import json
from pathlib import Path

from landscape.config.load import Config, ConfigError, SweepConfig, run_name, sweep_name
from landscape.config.naming import plain, set_name
from landscape.config.sections import combination_name
from landscape.stages.build import Progress, log, renamed, silent
from landscape.stages.classify_models import classify_models
from landscape.stages.connect import connect
from landscape.stages.final_states import measure_final_states
from landscape.stages.measure.run import measure
from landscape.stages.train import train
from landscape.store.files import FORMAT
from landscape.store.records.runs import Combination, SweepRecord
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run
from landscape.store.sweeps import write_sweep

MEASURED = ("gap", "lowered_gap")  # measures of a sweep that `measure` makes


def run(
    config: Config, runs_dir: str | Path = "runs", progress: Progress = silent
) -> tuple[Run, list[StringRecord]]:
    """Train and connect, or what of it has not been done. Raises as `train` and `connect`."""
    trained = train(config, runs_dir, progress)
    return trained, connect(trained, asked(config, "connect", "compute"), None, progress)


def asked(config: Config, *sections: str) -> list[str]:
    """Sections that are no part of a run's name, as overrides: the run may be older."""
    return [
        f"{name}.{key}={json.dumps(value)}"
        for name in sections
        for key, value in plain(getattr(config, name)).items()
    ]


def sweep(
    config: SweepConfig,
    runs_dir: str | Path = "runs",
    progress: Progress = silent,
    measured: bool = True,
) -> tuple[Path, list[StringRecord]]:
    """Run every combination in a directory of the sweep's own; what is finished is left alone.

    Where `sweep.measures` ask for what only a measured run has, the runs are measured as well, if
    `measured`. Returns the directory and the rows of all. Raises as `run`, naming the combination.
    """
    directory = Path(runs_dir) / sweep_name(config)
    runs = [
        Combination(values=values, directory=run_name(own), set=set_name(own.connect))
        for values, own in config.runs
    ]
    shown = config.sweep
    record = SweepRecord(
        format=FORMAT,
        name=config.name,
        over=config.values,
        measures=list(shown.measures),
        chart=shown.chart,
        rate=shown.rate,
        theory=shown.theory,
        runs=runs,
    )
    write_sweep(directory, record)
    rows = []
    for number, (values, own) in enumerate(config.runs, 1):
        said = combination_name(values)
        log.info(f"{number}/{len(config.runs)}: {said}")

        told = renamed(progress, f"{number}/{len(runs)} ")

        try:
            made, found = run(own, directory, told)
            rows += found
            if config.sweep.theory:
                classify_models(made, told)
            wanted = {*config.sweep.measures} if measured else set()
            if "minima" in wanted:
                measure_final_states(made, told)
            if {*MEASURED} & wanted:
                measure(made, asked(own, "measure", "compute"), None, told)
        except ConfigError as error:
            raise ConfigError(*(f"{said}: {problem}" for problem in error.problems)) from error
    return directory, rows
