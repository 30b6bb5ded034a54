"""`vidi predict`: what is on these images?"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vidi.cli import options
from vidi.errors import UsageError
from vidi.options import Option
from vidi.workflows.requests.predict import InputsRequest, PredictRequest

if TYPE_CHECKING:
    from vidi.data.inputs import FoundInputs
    from vidi.images.account import Account
    from vidi.prediction.prediction import Answer
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.interaction.events import Events
    from vidi.workflows.log import AnswerLogger
    from vidi.workflows.predict import AnswersOf


def predict(
    model: options.Model,
    inputs: InputsRequest,
    request: PredictRequest,
    *,
    as_json: options.AsJson = False,
    as_json_lines: Annotated[
        bool, Option("Print one JSON object per line, as soon as it is known.", flags=("--jsonl",))
    ] = False,
    as_csv: Annotated[bool, Option("Print a CSV table.", flags=("--csv",))] = False,
) -> None:
    """Classify images with a model file; files that cannot be used are listed, and all others are classified."""
    from vidi.cli.terminal import on_terminal, say_ending
    from vidi.data.inputs import find_paths
    from vidi.images.account import Account
    from vidi.prediction.predictor import Predictor
    from vidi.prediction.words import remark_on
    from vidi.workflows.interaction.inputs import named_first, read_list
    from vidi.workflows.interaction.run_folder import check_folder_apart
    from vidi.workflows.predict import predict_inputs

    form = _form(json=as_json, jsonl=as_json_lines, csv=as_csv)
    if request.sort_into is not None:
        check_folder_apart(request.sort_into, inputs.inputs, flag="--sort-into")
    events = on_terminal()
    predictor = Predictor.load(named_first(model, inputs.inputs, verb="predict"), engine=request.engine)
    if remark := remark_on(predictor.model):
        events.say(remark)
    named = [*inputs.inputs, *(() if request.files_from is None else read_list(request.files_from))]
    if not named:
        raise UsageError("no image was named", "Name files or folders after the model, or a list: --files-from FILE.")
    found = find_paths(named, allow_outside=request.allow_outside)
    account = Account()
    with (
        _logging(request, predictor, model, events) as logger,
        _answering(request, predictor, found, events, is_logged=logger is not None) as answers_of,
    ):
        answers = predict_inputs(
            predictor,
            found,
            account,
            answers_of=answers_of,
            sort_into=request.sort_into,
            log=logger,
        )
        _write(answers, form, request, predictor, found, account, events)
        code = say_ending(account, events, named=form != "table" or request.output is not None)
    raise SystemExit(code)


def _write(
    answers: "Iterator[Answer]",
    form: str,
    request: PredictRequest,
    predictor: "Predictor",
    found: "Sequence[FoundInputs]",
    account: "Account",
    events: "Events",
) -> None:
    """Write the answers as they come, until all are there or Ctrl-C ends it."""
    from vidi.cli.screen import draws, painter
    from vidi.cli.terminal import counted
    from vidi.workflows.interaction.output import WRITERS, Shown, output_stream
    from vidi.workflows.interaction.stopping import stop_on_signal, until_stopped

    total = sum(len(group.paths) + len(group.account.refused) for group in found)
    # Where the rows themselves show on the terminal, they are the progress.
    shows = request.output is None and draws(sys.stdout)
    names = [path for group in found for path in group.paths]
    is_marked = form == "csv" and not "".join((*names, *predictor.classes)).isascii()
    with stop_on_signal() as should_stop, output_stream(request.output, is_marked=is_marked) as stream:
        answers = until_stopped(answers, should_stop, paths=names, account=account)
        passing = answers if shows else counted(answers, "answering", total, events)
        WRITERS[form](
            passing, stream, Shown(predictor.model, predictor.classes, account, names, request.top, painter(stream))
        )


def _logging(
    request: PredictRequest, predictor: "Predictor", path: Path, events: "Events"
) -> contextlib.AbstractContextManager["AnswerLogger | None"]:
    """What logs the answers; None without `--log`, which needs no database."""
    logging = request.logging
    if logging.log is None and not logging.keep_images:
        return contextlib.nullcontext()
    from vidi.workflows.log import logging_answers

    return logging_answers(logging, predictor.model, path, os.environ, say=events.say)


def _answering(
    request: PredictRequest,
    predictor: "Predictor",
    found: "Sequence[FoundInputs]",
    events: "Events",
    *,
    is_logged: bool,
) -> "contextlib.AbstractContextManager[AnswersOf]":
    """What answers about a group of the inputs: here, or on a cluster with `--ray`."""
    from vidi.images.limits import DecodeOptions
    from vidi.workflows.predict import answered_here

    decoding = DecodeOptions(keep_truncated=request.keep_truncated)
    if request.ray is None:
        return contextlib.nullcontext(
            answered_here(predictor, options=decoding, workers=request.workers, is_logged=is_logged)
        )
    from vidi.distributed.predict import AnswerOptions, answers_on_ray

    options = AnswerOptions(decoding, embedding=is_logged, statistics=is_logged)
    shards = None if request.output is None else request.output.with_name(f"{request.output.name}.shards")
    return answers_on_ray(request.ray, predictor, found, options=options, shards=shards, say=events.say)


def _form(*, json: bool, jsonl: bool, csv: bool) -> str:
    """The form that was asked for: `table` where none was.

    Raises:
        UsageError: two were.
    """
    chosen = [name for name, wanted in (("json", json), ("jsonl", jsonl), ("csv", csv)) if wanted]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other", "Use only one of them.")
    return chosen[0] if chosen else "table"
