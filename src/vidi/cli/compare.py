"""`vidi compare`: which of two models is better?"""

from pathlib import Path
from typing import Annotated

import typer

from vidi.cli import options

SOME_BAD = 6


def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="A model file or run folder: the one that is there.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The other one, which may be better.")],
    data: options.Data,
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
    from vidi.files import escape_path
    from vidi.report.compare_words import comparison_lines
    from vidi.workflows.compare import PAGE, CompareRequest, read_comparison
    from vidi.workflows.compare import compare as score

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
    events = Terminal()
    compared = score(request, events=events)
    if as_json:
        typer.echo((compared.folder / "compare.json").read_text("utf-8"))
    else:
        typer.echo(compared.sentence)
        for line in comparison_lines(read_comparison(compared.folder)):
            typer.echo(line)
        typer.echo(f"page: {escape_path(compared.folder)}/{PAGE}")
    events.say(compared.account.sentence())
    if gate:
        compared.require_better()
    if compared.account.refused:
        raise typer.Exit(SOME_BAD)
