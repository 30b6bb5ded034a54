"""`vidi evaluate` and `vidi report`: how good is it, and a page about it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidi.cli import options

if TYPE_CHECKING:
    from vidi.cli.terminal import Terminal
    from vidi.workflows.evaluate import EvaluateRequest

SOME_BAD = 6


def evaluate(
    context: typer.Context,
    model: options.Model,
    data: options.Data,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where to write; evaluations/NAME when left out."),
    ] = None,
    overwrite: options.Overwrite = False,
    renames: Annotated[
        list[str] | None, typer.Option("--map", metavar="A=B", help="The data's class A is the model's class B.")
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
    robustness: Annotated[
        bool, typer.Option("--robustness/--no-robustness", help="Also answer about images made blurred, dark, turned …")
    ] = True,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="Score only where things are: the data's boxes against `vidi locate`'s.")
    ] = False,
    fills: options.Fills = "1x1",
    smallest: options.Smallest = None,
    no_images: options.NoPictures = False,
    as_json: options.AsJson = False,
) -> None:
    """Score a model file on labelled images; classes are matched by name."""
    from vidi.cli.terminal import Terminal
    from vidi.evaluation.match import parse_renames
    from vidi.files import escape_path
    from vidi.report.words.sentences import headline
    from vidi.workflows.evaluate import EvaluateRequest
    from vidi.workflows.evaluate import evaluate as score

    request = EvaluateRequest(
        model=model,
        data=options.data_request(context.params),
        renames=parse_renames(renames or []),
        workers=workers,
        images=not no_images,
        robustness=robustness,
        output=output,
        overwrite=overwrite,
    )
    events = Terminal()
    if boxes:
        _score_boxes(request, fills, smallest, events, as_json=as_json)
        return
    evaluated = score(request, events=events)
    if as_json:
        typer.echo((evaluated.folder / "metrics.json").read_text("utf-8"))
    elif test := evaluated.figures.get("test"):
        typer.echo(headline(test.as_json()))
        typer.echo(f"report: {escape_path(evaluated.folder)}/report.html")
    events.say(evaluated.account.sentence())
    if evaluated.account.refused:
        raise typer.Exit(SOME_BAD)


def _score_boxes(
    request: "EvaluateRequest", fills: str, smallest: float | None, events: "Terminal", *, as_json: bool
) -> None:
    from vidi.workflows.evaluating.boxes import score_boxes
    from vidi.workflows.locating.search import parse_share

    scored = score_boxes(request, share=parse_share(fills), smallest=smallest, events=events)
    typer.echo(json.dumps(scored.as_json()) if as_json else "\n".join(scored.lines()))
    events.say(scored.account.sentence())
    if scored.account.refused:
        raise typer.Exit(SOME_BAD)


def report(run: options.RunFolder, no_images: options.NoPictures = False, as_json: options.AsJson = False) -> None:
    """Write the report of a run, or of an evaluation, anew."""
    from vidi.cli.terminal import Terminal
    from vidi.files import escape_path
    from vidi.workflows.report import rebuild_report

    path: Path = rebuild_report(run, with_images=not no_images, events=Terminal())
    shown = escape_path(path)
    typer.echo(json.dumps({"report": shown}) if as_json else f"report: {shown}")
