"""`vidi explain` and `vidi locate`: why this answer, what is this network, and where on these images is it?"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from vidi.cli import options
from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.options import Argument
from vidi.workflows.requests.model_file import (
    ExplainedPages,
    ExplainRequest,
    LocatedFiles,
    LocateRequest,
    NetworkRequest,
)
from vidi.workflows.requests.predict import InputsRequest

if TYPE_CHECKING:
    from vidi.report.pages.network import ShownNetwork


def explain(
    model: Annotated[
        Path | None, Argument("MODEL", "Path to a model file or run folder, or a registered name.")
    ] = None,
    paths: Annotated[
        Sequence[str],
        Argument(
            "IMAGE…", "Files, folders, patterns or archives; - reads one image from standard input.", several=True
        ),
    ] = (),
    *,
    request: ExplainRequest,
    pages: ExplainedPages,
    named: NetworkRequest,
    as_json: options.AsJson = False,
) -> None:
    """Explain a model's answers, one page for each image; without images, show its network."""
    if named.network is not None:
        if model is not None:
            raise UsageError("--network and a model exclude each other", "Use only one of them.")
        from vidi.workflows.explaining.pages import describe_architecture

        _tell(describe_architecture(named.network), named.network, output=pages.output, as_json=as_json)
        return
    if model is None:
        raise UsageError(
            "there is nothing to explain", "Name a model and images, or a network: vidi explain --network textbook"
        )
    if not paths:
        _show_model(model, output=pages.output, with_images=pages.images, as_json=as_json)
        return
    raise SystemExit(_explain_images(model, paths, request, pages, as_json=as_json))


def _explain_images(
    model: Path, paths: Sequence[str], request: ExplainRequest, pages: ExplainedPages, *, as_json: bool
) -> int:
    """A page for each image; the exit code."""
    from vidi.cli.terminal import counted, on_terminal, say_ending
    from vidi.prediction.predictor import Predictor
    from vidi.prediction.words import warning_about
    from vidi.workflows.explain import explain_images
    from vidi.workflows.explaining.image import ExplanationParts
    from vidi.workflows.explaining.neighbours import neighbours_of
    from vidi.workflows.interaction.inputs import named_first

    events = on_terminal()
    predictor = Predictor.load(named_first(model, paths, verb="explain"))
    if warning := warning_about(predictor.model):
        events.say(warning)
    wanted = ExplanationParts(
        top=request.top,
        known=neighbours_of(predictor.model, events=events),
        on_progress=lambda done, total: events.count("covering parts of an image", done, total),
    )
    account = explain_images(
        predictor,
        paths,
        pages,
        wanted=wanted,
        stream=sys.stdout,
        as_json=as_json,
        watch=lambda explained, total: counted(explained, "explaining images", total, events),
    )
    return say_ending(account, events, named=as_json)


def _show_model(model: Path, *, output: Path | None, with_images: bool, as_json: bool) -> None:
    """The network of a model file."""
    from vidi.model_file.read import read_model
    from vidi.workflows.explaining.pages import describe_model_network

    file = read_model(model)
    name = file.metadata.provenance.run or file.metadata.provenance.network or "network"
    _tell(describe_model_network(file, with_images=with_images), name, output=output, as_json=as_json)


def _tell(network: "ShownNetwork", name: str, *, output: Path | None, as_json: bool) -> None:
    """The page, and a table or a document."""
    from vidi.workflows.explaining.pages import network_document, network_table, write_network

    page = write_network(network, name=name, folder=output)
    if as_json:
        click.echo(json.dumps(network_document(network, name=name, page=page)))
    else:
        click.echo(network_table(network, name=name))
        click.echo(f"page: {escape_path(page)}")


def locate(
    model: options.Model,
    inputs: InputsRequest,
    request: LocateRequest,
    files: LocatedFiles,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Find boxes around what a model recognises: a detector, or a model trained on labels of whole images."""
    from vidi.cli.terminal import counted, on_terminal, say_ending
    from vidi.detection.nanodet import is_detector
    from vidi.prediction.predictor import Predictor
    from vidi.prediction.words import warning_about
    from vidi.workflows.interaction.inputs import named_first
    from vidi.workflows.locate import LocateOutputs, search_images
    from vidi.workflows.locating import hint_of_nothing

    events = on_terminal()
    predictor = Predictor.load(named_first(model, inputs.inputs, verb="locate"))
    if warning := warning_about(predictor.model):
        events.say(warning)
    account = search_images(
        predictor,
        request,
        inputs.inputs,
        wanted=LocateOutputs(as_json=as_json, output=files.output, coco=files.coco, images=files.images),
        stream=sys.stdout,
        # On a terminal the lines themselves are the progress.
        watch=lambda found, total: found if sys.stdout.isatty() else counted(found, "searching images", total, events),
        events=events,
    )
    if hint := hint_of_nothing(predictor, request):
        events.say(hint)
    if not is_detector(predictor):
        events.say("the model never saw boxes in training; `vidi evaluate MODEL DATA --boxes` measures their quality")
    raise SystemExit(say_ending(account, events, named=as_json))
