"""`vidi explain`: why this answer, and what is this network?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidi.cli import options

if TYPE_CHECKING:
    from vidi.report.pages.network import ShownNetwork


def explain(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model file, or the run folder that holds it.")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGE…]", help="Files, folders, patterns, archives; - is standard input."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where the pages are written; explanations when left out."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, metavar="K", help="Maps for the K most probable classes; two or three of them."),
    ] = None,
    occlusion: Annotated[
        bool, typer.Option(help="Cover one part after another; without, an answer takes no time to speak of.")
    ] = True,
    network: Annotated[
        str | None,
        typer.Option("--network", metavar="NAME", help="Show a network instead: textbook, compact, dense, lite0 …"),
    ] = None,
    imgsz: Annotated[
        str | None, typer.Option("--imgsz", metavar="SIZE", help="With --network: its images, 128 or HEIGHTxWIDTH.")
    ] = None,
    class_count: Annotated[
        int | None, typer.Option("--class-count", min=2, metavar="N", help="With --network: classes; 10.")
    ] = None,
    no_images: options.NoPictures = False,
    keep_truncated: options.KeepTruncated = False,
    as_json: options.AsJson = False,
) -> None:
    """Say why a model answers as it does, a page for each image; without images, show its network."""
    from vidi.errors import UsageError

    if network is not None:
        if model is not None:
            raise UsageError("--network and a model were given", "Ask for one of them.")
        _show_network(network, imgsz, class_count, output=output, as_json=as_json)
        return
    if imgsz is not None or class_count is not None:
        raise UsageError("--imgsz and --class-count are for --network", "A model file has its own.")
    if model is None:
        raise UsageError(
            "nothing to explain was named", "Name a model and images, or a network: vidi explain --network textbook"
        )
    if not images:
        _show_model(model, output=output, with_images=not no_images, as_json=as_json)
        return
    code = _explain_images(
        model,
        images,
        top=top,
        occlusion=occlusion,
        keep_truncated=keep_truncated,
        output=output,
        with_images=not no_images,
        as_json=as_json,
    )
    raise typer.Exit(code)


def _explain_images(
    model: Path,
    images: list[str],
    *,
    top: int | None,
    occlusion: bool,
    keep_truncated: bool,
    output: Path | None,
    with_images: bool,
    as_json: bool,
) -> int:
    """A page for each image; the exit code."""
    from vidi.cli.terminal import Terminal
    from vidi.data.inputs import find_paths
    from vidi.images.account import Account
    from vidi.images.limits import DecodeOptions
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.explain import Wanted, explain_inputs
    from vidi.workflows.explaining.neighbours import neighbours_of
    from vidi.workflows.explaining.pages import explanation_line, explanations_document, write_pages
    from vidi.workflows.interaction.output import unfinished_warning
    from vidi.workflows.predict import exit_code

    events, account = Terminal(), Account()
    predictor = Predictor.load(model)
    if warning := unfinished_warning(predictor.model):
        events.say(warning)
    found = find_paths(images)
    wanted = Wanted(
        top=top,
        occlusion=occlusion,
        known=neighbours_of(predictor.model, events=events),
        on_progress=lambda done, total: events.count("covering parts", done, total),
    )
    decoding = DecodeOptions(keep_truncated=keep_truncated)
    explained = explain_inputs(predictor, found, account, wanted=wanted, options=decoding)
    pages = write_pages(explained, found, predictor.model, folder=output, with_images=with_images)
    if as_json:
        typer.echo(json.dumps(explanations_document(list(pages), predictor.model, account)))
    else:
        for page in pages:
            typer.echo(explanation_line(page))
    events.say(account.sentence())
    return exit_code(account)


def _show_network(name: str, imgsz: str | None, class_count: int | None, *, output: Path | None, as_json: bool) -> None:
    """A network that has learnt nothing yet."""
    from vidi.workflows.explaining.network import USUAL_CLASSES, describe_architecture
    from vidi.workflows.run.prepare import parse_image_size

    size = None if imgsz is None else parse_image_size(imgsz)
    network = describe_architecture(name, image_size=size, class_count=class_count or USUAL_CLASSES)
    _tell(network, name, output=output, as_json=as_json)


def _show_model(model: Path, *, output: Path | None, with_images: bool, as_json: bool) -> None:
    """The network of a model file."""
    from vidi.model_file.read import read_model
    from vidi.workflows.explaining.network import describe_model_network

    file = read_model(model)
    name = file.metadata.run or file.metadata.network or "network"
    _tell(describe_model_network(file, with_images=with_images), name, output=output, as_json=as_json)


def _tell(network: "ShownNetwork", name: str, *, output: Path | None, as_json: bool) -> None:
    """The page, and a table or a document."""
    from vidi.files import escape_path
    from vidi.workflows.explaining.network import network_document, network_table, write_network

    page = write_network(network, name=name, folder=output)
    if as_json:
        typer.echo(json.dumps(network_document(network, name=name, page=page)))
    else:
        typer.echo(network_table(network, name=name))
        typer.echo(f"page: {escape_path(page)}")
