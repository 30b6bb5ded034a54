"""`vidi compare`: which of two models is better?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidi.cli import options

if TYPE_CHECKING:
    from vidi.workflows.compare import Compared

SOME_BAD = 6


def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="A model file or run folder: the one that is there.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The other one, which may be better.")],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="Labelled images; left out where A and B are folders that `vidi evaluate` wrote of the same images.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where to write; comparisons/NAME when left out."),
    ] = None,
    overwrite: options.Overwrite = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 7 unless B is shown to be better.")] = False,
    renames: Annotated[
        list[str] | None, typer.Option("--map", metavar="A=B", help="The data's class A is a model's class B.")
    ] = None,
    classes: options.Classes = None,
    positive: options.Positive = None,
    names: options.Names = None,
    parts: options.Parts = None,
    follow_links: options.FollowLinks = False,
    allow_outside: options.AllowOutside = False,
    merge_names: options.MergeNames = False,
    keep_truncated: options.KeepTruncated = False,
    data_dir: options.DataDir = None,
    workers: options.Workers = None,
    no_images: options.NoPictures = False,
    as_json: options.AsJson = False,
) -> None:
    """Say whether model B is better than model A on labelled images that neither learnt from."""
    from vidi.cli.terminal import Terminal
    from vidi.evaluation.match import parse_renames
    from vidi.workflows.compare import CompareRequest
    from vidi.workflows.compare import compare as score
    from vidi.workflows.comparing.stored import StoredRequest, compare_stored

    events = Terminal()
    if data is None:
        _refuse_without_data(context)
        compared = compare_stored(
            StoredRequest(first=first, second=second, images=not no_images, output=output, overwrite=overwrite),
            events=events,
        )
    else:
        request = CompareRequest(
            first=first,
            second=second,
            data=options.data_request(context.params),
            renames=parse_renames(renames or []),
            workers=workers,
            images=not no_images,
            output=output,
            overwrite=overwrite,
        )
        compared = score(request, events=events)
    if as_json:
        typer.echo((compared.folder / "compare.json").read_text("utf-8"))
    else:
        _show(compared)
    events.say(compared.account.sentence())
    if gate:
        compared.require_better()
    if compared.account.refused:
        raise typer.Exit(SOME_BAD)


def _show(compared: "Compared") -> None:
    """The outcome in a sentence and a table."""
    from vidi.cli.screen import show_table
    from vidi.files import escape_path
    from vidi.report.words.compare import compared_models, comparison_rows
    from vidi.workflows.compare import PAGE, read_comparison

    document = read_comparison(compared.folder)
    typer.echo(compared.sentence)
    typer.echo("\n".join(compared_models(document)))
    show_table(comparison_rows(document), right=range(1, 5))
    typer.echo(f"page: {escape_path(compared.folder)}/{PAGE}")


def _refuse_without_data(context: typer.Context) -> None:
    """Options that say how images are read mean nothing where none is."""
    from vidi.errors import UsageError

    allowed = ("first", "second", "output", "overwrite", "gate", "no_images", "as_json")
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in allowed and source is not None and source.name == "COMMANDLINE":
            flag = {"renames": "map"}.get(name, name.replace("_", "-"))
            raise UsageError(
                f"--{flag} is about DATA, and none was named",
                "Leave it out: two evaluations are compared as they are; or name the data: vidi compare A B DATA",
            )
