"""`vidi predict`: what is on these images?"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from vidi.cli import options
from vidi.workflows.requests.predict import InputsRequest, PredictRequest

if TYPE_CHECKING:
    from vidi.cli.terminal import Terminal
    from vidi.prediction.stream import Answer


def predict(
    model: options.Model,
    inputs: InputsRequest,
    request: PredictRequest,
    *,
    as_json: options.AsJson = False,
    as_json_lines: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, as they come.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table for programs.")] = False,
) -> None:
    """Classify images with a model file: a table, or JSON, or CSV; bad files are listed and the rest done."""
    from vidi.cli.screen import draws, painter
    from vidi.cli.terminal import Terminal
    from vidi.data.inputs import find_paths
    from vidi.errors import UsageError
    from vidi.images.account import Account
    from vidi.images.limits import DecodeOptions
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.interaction.inputs import exit_code
    from vidi.workflows.interaction.output import WRITERS, Shown, unfinished_warning
    from vidi.workflows.interaction.places import check_folder_apart
    from vidi.workflows.predict import predict_inputs

    chosen = [name for name, wanted in (("json", as_json), ("jsonl", as_json_lines), ("csv", as_csv)) if wanted]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two forms", "Ask for one of them.")
    if request.sort_into is not None:
        check_folder_apart(request.sort_into, inputs.inputs, flag="--sort-into")
    events = Terminal()
    predictor = Predictor.load(model)
    if warning := unfinished_warning(predictor.model):
        events.say(warning)
    found = find_paths(inputs.inputs, follow_links=inputs.follow_links)
    account = Account()
    answers = predict_inputs(
        predictor,
        found,
        account,
        options=DecodeOptions(keep_truncated=inputs.keep_truncated),
        workers=request.workers,
        sort_into=request.sort_into,
    )
    total = sum(len(group.paths) + len(group.account.refused) for group in found)
    # Where the rows themselves show on the terminal, they are the progress.
    counted = answers if request.output is None and draws(sys.stdout) else told(answers, total, events)
    form = WRITERS[chosen[0] if chosen else "table"]
    names = [path for group in found for path in group.paths]
    with writing_to(request.output) as stream:
        form(counted, stream, Shown(predictor.model, predictor.classes, account, names, request.top, painter(stream)))
    events.say(account.sentence())
    raise typer.Exit(exit_code(account))


def told(answers: Iterator["Answer"], total: int, events: "Terminal") -> Iterator["Answer"]:
    """The answers, counted on the terminal as they pass."""
    for number, answer in enumerate(answers, start=1):
        events.count("answering", number, total)
        yield answer


@contextlib.contextmanager
def writing_to(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole when all is written."""
    from vidi.files import written_whole

    if output is None:
        yield sys.stdout
        return
    with written_whole(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream
