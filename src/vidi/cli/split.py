"""`vidi split`: decide, and write down, which image is for what."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vidi.cli import options

SOME_BAD = 6


def split(
    context: typer.Context,
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The table to write.")] = Path(
        "splits.csv"
    ),
    previous: Annotated[
        str | None, typer.Option("--split", metavar="FILE", help="An earlier splits.csv: what stands there stays.")
    ] = None,
    replan: Annotated[bool, typer.Option("--replan", help="Decide anew, also for images that have a part.")] = False,
    split_seed: options.SplitSeed = 0,
    parts: options.Parts = None,
    classes: options.Classes = None,
    positive: options.Positive = None,
    names: options.Names = None,
    allow_leaks: options.AllowLeaks = False,
    follow_links: options.FollowLinks = False,
    allow_outside: options.AllowOutside = False,
    merge_names: options.MergeNames = False,
    multi_label: options.MultiLabel = False,
    keep_truncated: options.KeepTruncated = False,
    data_dir: options.DataDir = None,
    workers: options.Workers = None,
    as_json: options.AsJson = False,
) -> None:
    """Divide a data set into train, validation, calibration and test; copies and groups stay on one side."""
    from vidi.cli.terminal import Terminal
    from vidi.files import escape_path
    from vidi.workflows.split import split as divide

    kept = previous or (str(output) if output.is_file() else None)
    request = replace(options.data_request(context.params), split_file=kept)
    events = Terminal()
    made = divide(request, output, replan=replan, workers=workers, events=events)
    if as_json:
        typer.echo(json.dumps(made.as_json(), indent=1))
    else:
        for part, count in made.split.counts().items():
            typer.echo(f"{part:12} {count:8,}")
        typer.echo(f"written: {escape_path(output)} (rule {made.split.rule})")
    for sentence in made.remarks():
        events.say(sentence)
    if made.check.account.refused:
        raise typer.Exit(SOME_BAD)
