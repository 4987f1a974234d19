"""What the commands share: options, and how one ends that cannot finish."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from lscape_cli import console

if TYPE_CHECKING:
    from landscape.store.records.strings import StringRecord, TreeRecord


class Command(click.Command):
    """A command whose foreseeable failures are messages and exit codes; a bug is a traceback.

    resumes: whether the same command goes on where it was interrupted.
    """

    resumes = True

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _terminable():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            self._stopped(stop)
        except BrokenPipeError:
            raise  # click ends quietly
        except OSError as error:
            self._stopped(_stop_behind(error))
            place = error.filename or ctx.params.get("run") or ctx.params.get("runs_dir")
            said = f"{f'{place}: ' * bool(place)}{error.strerror or error}"
            console.error(said + self.hint)
            sys.exit(1)
        except Exception as error:
            self._stopped(_stop_behind(error))
            code, said = _exit_code(error), str(error)
            if code is None:
                if not (said := _out_of_memory(error)):
                    raise
                code, said = 1, said + self.hint
            console.error(said)
            sys.exit(code)

    def _stopped(self, stop: KeyboardInterrupt | None) -> None:
        """End as a signal asked for, if one did."""
        if stop is None:
            return
        number = stop.number if isinstance(stop, Terminated) else signal.SIGINT
        said = "interrupted" if number == signal.SIGINT else "terminated"
        console.note(f"{said}; the same command resumes" if self.resumes else said)
        sys.exit(128 + number)

    @property
    def hint(self) -> str:
        return "; the run can be resumed by the same command" if self.resumes else ""


class QuickCommand(Command):
    """One that begins nothing."""

    resumes = False


def _exit_code(error: Exception) -> int | None:
    from landscape.config.load import ConfigError
    from landscape.data import DataError
    from landscape.store.files import RunError

    codes = {ConfigError: 2, RunError: 2, DataError: 1}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), None)


def _out_of_memory(error: Exception) -> str:
    """What to do about it, where that is what the error says."""
    from landscape.core.memory import ADVICE, is_spent

    return f"out of memory: {ADVICE}" if is_spent(error) else ""


AGAIN_SECONDS = 0.05


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: what is under way ends as at Ctrl-C, with its status written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _stop_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The signal on whose way out an error was raised, as where workers are slow to end."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise Terminated(number)

    numbers = [signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # as by nohup
        numbers.append(hangup)
    before, hook = {number: signal.signal(number, stop) for number in numbers}, sys.unraisablehook

    def swallowed(unraisable: Any) -> None:
        """A signal that comes within a callback, such as of the garbage collector, comes again."""
        stopped = unraisable.exc_value
        if not isinstance(stopped, KeyboardInterrupt):
            return hook(unraisable)
        number = stopped.number if isinstance(stopped, Terminated) else signal.SIGINT
        main = threading.main_thread().ident
        threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, number)).start()

    sys.unraisablehook = swallowed
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


class ExampleName(click.ParamType):
    """A config that comes with the package."""

    name = "example"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from landscape.config.begin import EXAMPLES

        if value not in EXAMPLES:
            self.fail(f"'{value}' is not one of {', '.join(EXAMPLES)}", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from landscape.config.begin import EXAMPLES

        return [CompletionItem(name) for name in EXAMPLES if name.startswith(incomplete)]


class MethodName(click.ParamType):
    """A path finder by its name, or as MODULE:CLASS."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from landscape.methods.registry import METHODS

        if ":" not in value and value not in METHODS.names():
            allowed = ", ".join(METHODS.names())
            self.fail(f"'{value}' is not one of {allowed}, nor MODULE:CLASS", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from landscape.methods.registry import METHODS

        return [CompletionItem(name) for name in METHODS.names() if name.startswith(incomplete)]


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _together(*options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


runs_dir = click.option(
    "--runs-dir", default="runs", show_default=True, type=click.Path(file_okay=False),
    help="Where run directories are.",
)  # fmt: skip
as_json = click.option("--json", "as_json", is_flag=True, help="Results as JSON.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Only results, warnings and errors.")
common = _together(runs_dir, quiet, as_json)

changes = _together(
    click.option(
        "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE",
        help="Change a key of the config; may be repeated.",
    ),
    click.option("--seed", type=int, metavar="N", help="Change the seed."),
)  # fmt: skip

workers = _together(
    click.option(
        "--workers", type=click.IntRange(1), metavar="N",
        help="Share the work among N processes of this machine (compute.workers).",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS",
        help="Share it among the workers of a running Dask cluster (compute.scheduler).",
    ),
)  # fmt: skip

log = click.option(
    "--log", type=click.Choice(["tensorboard", "wandb"]),
    help="Log training, share connected, lengths and costs while the work goes on.",
)  # fmt: skip


def _trust(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    from landscape.core.trust import trusting

    if value:  # of the group: click never closes a command's context where another option is wrong
        ctx.find_root().with_resource(trusting("named"))


trust = click.option(
    "--trust", is_flag=True, expose_value=False, callback=_trust,
    help="Run the code that the config names, such as a factory; it is trusted from then on.",
)  # fmt: skip

pairs = click.option("--pairs", metavar="WHICH", help="Of the models, as for lscape connect.")


def overriding(section: str, given: Mapping[str, object]) -> list[str]:
    """Options as overrides of a section of the config; None where one is not given."""
    return [f"{section}.{key}={value}" for key, value in given.items() if value is not None]


def by_workers(workers: int | None, scheduler: str | None) -> list[str]:
    """The two options as overrides of the config."""
    return overriding("compute", {"workers": workers, "scheduler": scheduler})


config_argument = click.argument("config", type=click.Path())
run_argument = click.argument("run", type=click.Path())

only_levels = click.option(
    "--level", "levels", type=float, multiple=True, metavar="LEVEL",
    help="Only this level of the run; may be repeated.",
)  # fmt: skip

require_connected = click.option(
    "--require-connected", is_flag=True, help="Exit with 3 unless every pair is connected."
)


def exit_unless_connected(rows: list[StringRecord], tree: list[TreeRecord] | None = None) -> None:
    """Of a tree, unless all the models that met a level are in one component there."""
    if tree:
        apart = [f"{record.level:g}" for record in tree if len(record.components) != 1]
        said = f"the models are not in one component at {', '.join(apart)}" if apart else ""
    else:
        tried = {(row.level, row.a, row.b) for row in rows}
        found = {(row.level, row.a, row.b) for row in rows if row.status == "CONNECTED"}
        missing = len(tried - found)  # by none of the searches
        said = f"{missing} of {len(tried)} were not connected" if missing else ""
    if said:
        console.error(f"--require-connected: {said}")
        sys.exit(3)
