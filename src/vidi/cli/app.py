"""The command `vidi`: its verbs, and what an error looks like on a terminal."""

import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from vidi.cli.calibrate import calibrate
from vidi.cli.check import check
from vidi.cli.compare import compare
from vidi.cli.demo import demo
from vidi.cli.evaluate import evaluate, report
from vidi.cli.explain import explain
from vidi.cli.housekeeping import cache, doctor, fetch, runs
from vidi.cli.inspect import inspect
from vidi.cli.locate import locate
from vidi.cli.predict import predict
from vidi.cli.split import split
from vidi.cli.train import train
from vidi.cli.tune import tune
from vidi.errors import VidiError

VERBS: Mapping[str, Callable[..., None]] = {
    "demo": demo,
    "check": check,
    "split": split,
    "train": train,
    "tune": tune,
    "evaluate": evaluate,
    "compare": compare,
    "calibrate": calibrate,
    "predict": predict,
    "locate": locate,
    "explain": explain,
    "report": report,
    "inspect": inspect,
    "fetch": fetch,
    "runs": runs,
    "cache": cache,
    "doctor": doctor,
}

EXTRA_OF = {  # package → the optional part of vidi that brings it
    "torch": "train",
    "safetensors": "train",
    "sklearn": "train",
    "tomli_w": "train",
    "matplotlib": "report",
    "jinja2": "report",
    "markupsafe": "report",
    "skimage": "demo",
    "optuna": "tune",
}

app = typer.Typer(
    name="vidi",
    help="From a folder of images to one model file that gives the same, calibrated answer everywhere.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich costs as much time as everything else in `vidi --help`
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"vidi {version('vidi')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Hold what stands before the verb."""


def main() -> None:
    """Run the command line; every error ends in one message and the exit code of its family."""
    for name, verb in VERBS.items():
        app.command(name)(verb)
    _end_on_termination()
    debug = "--debug" in sys.argv
    try:
        app()
    except VidiError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        message, code = _explain(error)
        typer.echo(message, err=True)
        sys.exit(code)


def _explain(error: Exception) -> tuple[str, int]:
    """What to say of an error that nobody raised on purpose, and the exit code."""
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is not None:
            return f'error: this needs {error.name}, which is not installed\n  pip install "vidi[{extra}]"', 2
    return (
        f"error: vidi itself failed ({type(error).__name__}: {error})\n"
        "  This is a bug. Run the command again with `vidi --debug …` and report what it prints.",
        1,
    )


def _end_on_termination() -> None:
    """Let SIGTERM end a command as Ctrl-C does, so that nothing half written stays."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not in the main thread: somebody else owns the signals
        signal.signal(signal.SIGTERM, interrupt)
