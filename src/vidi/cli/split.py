"""`vidi split`: decide, and write down, which image is for what."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vidi.cli import options

SOME_BAD = 6


def split(
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
    keep_truncated: options.KeepTruncated = False,
    data_dir: options.DataDir = None,
    workers: options.Workers = None,
    as_json: options.AsJson = False,
) -> None:
    """Divide a data set into train, validation, calibration and test; copies and groups stay on one side."""
    from vidi.cli.terminal import Terminal
    from vidi.files import escape_path
    from vidi.workflows.prepare import DataRequest
    from vidi.workflows.split import split as divide

    request = DataRequest(
        source=data,
        classes=options.listed(classes),
        positive=positive,
        names=names,
        parts=options.parsed_parts(parts),
        split_seed=split_seed,
        split_file=previous or (str(output) if output.is_file() else None),
        allow_leaks=allow_leaks,
        follow_links=follow_links,
        allow_outside=allow_outside,
        merge_names=merge_names,
        keep_truncated=keep_truncated,
        data_dir=None if data_dir is None else str(data_dir),
    )
    events = Terminal()
    made = divide(request, output, replan=replan, workers=workers, events=events)
    aside = [{"path": escape_path(entry.path), "code": entry.code} for entry in made.split.set_aside]
    if as_json:
        document = {
            "schema": 1,
            "rule": str(made.split.rule),
            "parts": made.split.counts(),
            "set_aside": aside,
            "leaks": [leak.sentence for leak in made.split.leaks],
            "untested_classes": list(made.split.untested_classes),
            "account": made.check.account.as_json(),
        }
        typer.echo(json.dumps(document, indent=1))
    else:
        for part, count in made.split.counts().items():
            typer.echo(f"{part:12} {count:8,}")
        typer.echo(f"written: {escape_path(output)} (rule {made.split.rule})")
    for leak in made.split.leaks:
        events.say(f"leak: {leak.sentence}")
    if made.split.untested_classes:
        events.say(f"no test image shows: {', '.join(map(escape_path, made.split.untested_classes))}")
    events.say(made.check.account.sentence())
    if made.check.account.refused:
        raise typer.Exit(SOME_BAD)
