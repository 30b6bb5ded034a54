"""The command `vidi`: its verbs, and what an error looks like on a terminal."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from vidi.errors import VidiError

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
    from vidi.cli import verbs  # noqa: F401  each verb adds itself to `app`

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
        typer.echo(
            f"error: vidi itself failed ({type(error).__name__}: {error})\n"
            "  This is a bug. Run the command again with `vidi --debug …` and report what it prints.",
            err=True,
        )
        sys.exit(1)
