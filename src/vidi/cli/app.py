"""The command `vidi`: its verbs, and what an error looks like on a terminal."""

import atexit
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath

import click

from vidi.cli.signals import end_on_signals
from vidi.files import escape_controls, is_full

# Verb → the module that defines its function, imported when the verb is called; and its line in `vidi --help`.
VERBS: Mapping[str, tuple[str, str]] = {
    "app": ("vidi.cli.in_use", "Do all of it on a page: images, training, trying, use."),
    "demo": ("vidi.cli.train", "Train on real photographs, and classify others."),
    "check": ("vidi.cli.data", "Find damage, copies, leaks and odd images in a data set."),
    "split": ("vidi.cli.data", "Divide a data set into train, validation and test."),
    "train": ("vidi.cli.train", "Train, calibrate and test a classifier."),
    "tune": ("vidi.cli.tune", "Search for a better recipe within a time limit."),
    "evaluate": ("vidi.cli.evaluate", "Score a model file on labelled images."),
    "compare": ("vidi.cli.evaluate", "Test whether model B is better than model A."),
    "calibrate": ("vidi.cli.model_file", "Calibrate a finished model again on other images."),
    "predict": ("vidi.cli.predict", "Classify images with a model file."),
    "locate": ("vidi.cli.explain", "Find boxes around what a model recognises."),
    "watch": ("vidi.cli.watch", "Report when a class comes into view on a camera or video."),
    "explain": ("vidi.cli.explain", "Explain a model's answers."),
    "serve": ("vidi.cli.in_use", "Answer HTTP requests with model files."),
    "benchmark": ("vidi.cli.model_file", "Measure speed, memory and size of models here."),
    "monitor": ("vidi.cli.in_use", "Notice when a model's images or accuracy change."),
    "review": ("vidi.cli.in_use", "Label images on a page, the most informative first."),
    "retrain": ("vidi.cli.in_use", "Train again with new labels, and keep the better model."),
    "promote": ("vidi.cli.in_use", "Put a model in use under a name."),
    "rollback": ("vidi.cli.in_use", "Put the version before in use again."),
    "export": ("vidi.cli.model_file", "Write a model file as a web page or a model folder."),
    "log": ("vidi.cli.in_use", "Show or delete what a prediction log holds."),
    "report": ("vidi.cli.evaluate", "Write the report of a run or an evaluation again."),
    "inspect": ("vidi.cli.model_file", "Show the contents of a model file."),
    "fetch": ("vidi.cli.housekeeping", "Download a known data set."),
    "runs": ("vidi.cli.housekeeping", "List the registered models and the runs."),
    "cache": ("vidi.cli.housekeeping", "Show or clear the cache."),
    "forget": ("vidi.cli.housekeeping", "Remove an image from all that vidi keeps of it."),
    "doctor": ("vidi.cli.housekeeping", "Show what this computer offers, and what is missing."),
}

INTERRUPTED = "interrupted: the command ended early; all finished files are intact"
COMPLETION = "_VIDI_COMPLETE"  # the variable by which a shell asks how words go on, as click names it
NOBODY_READS = 141  # exit code: what a shell reports of a program that a closed pipe has ended


class Verbs(click.Group):
    """The verbs: of a list of them one line each is known, and the one that is called is made."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """The verbs in the order of `VERBS`."""
        return list(self.commands)

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb's name, its command, and the words after it."""
        name, listed, rest = super().resolve_command(context, words)
        return name, listed if name is None else made_command(name), rest


def verb_of(name: str) -> Callable[..., None]:
    """The function of a verb."""
    from importlib import import_module

    verb: Callable[..., None] = vars(import_module(VERBS[name][0]))[name]
    return verb


def made_command(name: str) -> click.Command:
    """The command of a verb, with all its options."""
    from vidi.cli.command import VerbCommand

    return VerbCommand(name, verb_of(name))


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"vidi {version('vidi')}")
        context.exit()


def _show_completion(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        shell = PurePath(os.environ.get("SHELL", "bash")).name
        context.exit(_complete(f"{shell}_source"))


def _complete(instruction: str) -> int:
    """Answer a shell that completes words, or write the script by which it asks; the exit code."""
    from click.shell_completion import shell_complete

    return shell_complete(app, {}, "vidi", COMPLETION, instruction)


app = Verbs(
    "vidi",
    help="Turn a folder of images into one model file with the same, calibrated answers everywhere.",
    commands={name: click.Command(name, short_help=sentence) for name, (_, sentence) in VERBS.items()},
    params=[
        click.Option(["--version"], is_flag=True, is_eager=True, callback=_show_version, help="Show the version."),
        click.Option(
            ["--job"],
            type=click.Path(path_type=Path),
            hidden=True,
            help="Folder of a job of the app: hold it, and write events.jsonl there.",
        ),
        click.Option(["--debug"], is_flag=True, help="Show the full traceback of an error."),
        click.Option(
            ["--show-completion"],
            is_flag=True,
            is_eager=True,
            callback=_show_completion,
            help='Print a script for your shell\'s start-up file: eval "$(vidi --show-completion)".',
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line, and end the process."""
    try:
        _run()
    except SystemExit as ended:
        end_now_beside_readers(ended.code)
        raise


def _run() -> None:
    """Run a command; every error ends in one message and the exit code of its family."""
    end_on_signals()
    atexit.register(gc.freeze)  # the system takes all memory back at once; nobody need look for garbage in it before
    open_closed_streams()
    debug = "--debug" in sys.argv
    try:
        try:
            if instruction := os.environ.get(COMPLETION):
                sys.exit(_complete(instruction))
            with app.make_context("vidi", sys.argv[1:]) as context, _as_job(context):
                app.invoke(context)
            sys.exit(0)
        finally:
            sys.stdout.flush()
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        let_output_go()
        sys.exit(NOBODY_READS)
    except KeyboardInterrupt:
        click.echo(INTERRUPTED, err=True)
        sys.exit(130)
    except Exception as error:
        if debug and not isinstance(error, click.UsageError):
            raise
        from vidi.cli.usage import explained

        if is_full(error):
            let_output_go()
        told = explained(error)
        click.echo(f"error: {escape_controls(str(told))}", err=True)
        sys.exit(told.exit_code)


@contextlib.contextmanager
def _as_job(context: click.Context) -> Iterator[None]:
    """Where `--job` names a folder, the command holds it and writes its events there."""
    if context.params["job"] is None:
        yield
        return
    from vidi.cli.job import held

    with held(context.params["job"]) as context.obj:
        yield


def open_closed_streams() -> None:
    """Give a command that was started with closed streams (`>&-`) empty ones.

    Else the first files that it opens would take their numbers, and be read and written as if they were the streams.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(_nothing(), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(_nothing(), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(_nothing(), "w", encoding="utf-8")


def let_output_go() -> None:
    """Send what is still to be written nowhere: Python would fail on it once more at its end."""
    with contextlib.suppress(OSError, ValueError):  # standard output is no file of the system's
        number = sys.stdout.fileno()
        os.dup2(_nothing(), number)


def end_now_beside_readers(code: object) -> None:
    """End the process here where a thread is still inside FFmpeg: it would crash while the interpreter ends."""
    if not any(thread.name == "vidi-stream" for thread in threading.enumerate()):
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _nothing() -> int:
    """A file that is empty and takes everything, under the lowest free number; worker processes inherit it."""
    number = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(number, True)
    return number
