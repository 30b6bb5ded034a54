"""`vidi evaluate`, `compare` and `report`: how good is it, which is better, and a page about it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from vidi.cli import options
from vidi.errors import SOME_BAD
from vidi.files import escape_path
from vidi.options import Option
from vidi.workflows.requests.model_file import BoxSearch, CompareRequest, EvaluateRequest

if TYPE_CHECKING:
    from vidi.workflows.comparing import CompareResult


def evaluate(
    request: EvaluateRequest,
    search: BoxSearch,
    *,
    boxes: Annotated[bool, Option("Score only the boxes of `vidi locate` against the boxes in the data.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Score a model file on labelled images; classes are matched by name."""
    from vidi.cli.terminal import on_terminal
    from vidi.report.words.sentences import read_first
    from vidi.report.words.text import account_lines
    from vidi.workflows.evaluate import evaluate as score

    if boxes:
        _score_boxes(request, search, as_json=as_json)
        return
    events = on_terminal()
    evaluated = score(request, events=events)
    if as_json:
        click.echo((evaluated.folder / "metrics.json").read_text("utf-8"))
    elif "test" in evaluated.figures:
        first, steps = read_first(evaluated.folder)
        click.echo("\n".join(first))
        click.echo(f"report: {escape_path(evaluated.folder)}/report.html")
        click.echo("".join(f"next:   {step}\n" for step in steps), nl=False)
    for line in account_lines(evaluated.account, listed_in=f"{escape_path(evaluated.folder)}/metrics.json"):
        events.say(line)
    if evaluated.account.refused:
        raise SystemExit(SOME_BAD)


def _score_boxes(request: EvaluateRequest, search: BoxSearch, *, as_json: bool) -> None:
    from vidi.cli.terminal import on_terminal
    from vidi.report.words.text import account_lines
    from vidi.workflows.evaluating.boxes import score_boxes

    events = on_terminal()
    scored = score_boxes(request, search=search, events=events)
    click.echo(json.dumps(scored.as_json()) if as_json else "\n".join(scored.lines()))
    for line in account_lines(scored.account, listed_in=f"{escape_path(scored.folder)}/boxes.json"):
        events.say(line)
    if scored.account.refused:
        raise SystemExit(SOME_BAD)


def report(run: options.RunFolder, no_images: options.NoPictures = False) -> None:
    """Write the report of a run, an evaluation or a comparison again."""
    from vidi.cli.terminal import on_terminal
    from vidi.workflows.report import rebuild_report
    from vidi.workflows.requests.shared import wants_pictures

    with_images = wants_pictures(unless=no_images)
    path: Path = rebuild_report(run, with_images=with_images, events=on_terminal())
    click.echo(f"report: {escape_path(path)}")


def compare(
    request: CompareRequest,
    *,
    gate: Annotated[bool, Option("Exit with code 7 unless B is shown to be better.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Test whether model B is better than model A, on labelled images that neither was trained on."""
    from vidi.cli.terminal import on_terminal
    from vidi.report.words.text import account_lines
    from vidi.workflows.compare import compare as score

    events = on_terminal()
    compared = score(request, events=events)
    if as_json:
        click.echo((compared.folder / "compare.json").read_text("utf-8"))
    else:
        _show_comparison(compared)
    for line in account_lines(compared.account, listed_in=f"{escape_path(compared.folder)}/compare.json"):
        events.say(line)
    if gate:
        compared.require_better()
    if compared.account.refused:
        raise SystemExit(SOME_BAD)


def _show_comparison(compared: "CompareResult") -> None:
    """The outcome in a sentence and a table."""
    from vidi.cli.screen import show_table
    from vidi.report.pages.compare import compared_models, comparison_rows
    from vidi.workflows.comparing import PAGE, read_comparison

    document = read_comparison(compared.folder)
    click.echo(compared.sentence)
    click.echo("\n".join(compared_models(document)))
    show_table(comparison_rows(document), right=range(1, 5))
    click.echo(f"page: {escape_path(compared.folder)}/{PAGE}")
