"""`vidi fetch`, `runs`, `cache`, `forget` and `doctor`: what is on this disk, and what this computer offers."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import click

from vidi.cli import options
from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.options import Argument, Option


def fetch(
    name: Annotated[
        str, Argument("NAME", "Name of the data set: mnist, fashion-mnist or cifar10; or `weights` or `detector`.")
    ],
    what: Annotated[
        str,
        Argument("WHAT", "After `weights` a name such as lite3; after `detector` a NanoDet ONNX file to read instead."),
    ] = "",
) -> None:
    """Download a known data set, weights or a detector. vidi opens a network connection only to what you name."""
    from vidi.cli.terminal import on_terminal
    from vidi.data.known_sets.fetch import fetch as download

    events = on_terminal()
    if name == "detector":
        from vidi.detection.adopt import fetch_detector

        made = fetch_detector(Path(what) if what else None, Path("detector.onnx"), events.count)
        click.echo(f"{escape_path(made.path)} is complete: vidi locate {escape_path(made.path)} IMAGES")
        return
    if name == "weights":
        from vidi.networks.pretrained.read import hosted_weights

        found = hosted_weights(what, on_progress=events.fetching)
        click.echo(f"{what} is complete, licence {found.license}, SHA-256 {found.digest}: vidi train DATA")
        return
    if what:
        raise UsageError(
            f"{escape_path(what)} after {name} means nothing",
            "A second word goes with two names: vidi fetch detector FILE, vidi fetch weights NAME.",
        )
    folder = download(name, on_progress=events.count)
    click.echo(f"{escape_path(folder)} is complete: vidi train {name}")


def runs(
    folder: Annotated[Path, Argument("DIR", "Path to the folder of runs (default runs).")] = Path("runs"),
    clear: Annotated[Sequence[str], Option("Delete this run; repeat it for more.", metavar="NAME", several=True)] = (),
    as_json: options.AsJson = False,
) -> None:
    """List the registered models and the runs: data, accuracy with interval, size and date."""
    from vidi.cli.screen import show_table
    from vidi.workflows.runs import delete_run, list_models, list_runs, run_rows

    for name in clear:
        click.echo(f"deleted {name}: {delete_run(folder, name):,} bytes", err=True)
    models = list_models()
    found = [*models, *(list_runs(folder) if folder.is_dir() or not models else [])]
    if as_json:
        click.echo(json.dumps([run.as_json() for run in found], indent=1))
    elif found:
        show_table(run_rows(found))
    else:
        click.echo("no runs yet: vidi train DATA")


def cache(
    clear: Annotated[bool, Option("Delete the cache; it is filled again when needed.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show or clear the cache: decoded images, check results, features, thumbnails."""
    from vidi.data.cache import LIMIT_BYTES, PixelCache, cache_folder
    from vidi.data.thumbnails import Thumbnails

    store = PixelCache(cache_folder())
    freed = store.clear() if clear else 0
    if clear:
        freed += Thumbnails.in_cache().clear()
    entries = store.entries()
    held = sum(entry.byte_count for entry in entries)
    place = escape_path(store.folder)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "folder": place,
                    "entries": len(entries),
                    "bytes": held,
                    "freed_bytes": freed,
                }
            )
        )
        return
    if clear:
        click.echo(f"freed {freed / 1e6:,.1f} MB")
    click.echo(f"{place}: {len(entries)} entries, {held / 1e6:,.1f} MB of at most {LIMIT_BYTES / 1e9:g} GB")


def forget(
    image: Annotated[str, Argument("FILE|DIGEST", "The image's file, or the SHA-256 of its bytes.")],
    places: Annotated[
        Sequence[str],
        Argument("PLACE…", "Data sets, run folders, folders of runs and prediction logs that know it.", several=True),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Remove an image from labels, cache, thumbnails, similar images, reports and logs; its own file stays."""
    from vidi.workflows.forget import forget as remove

    done = remove(image, places, environment=os.environ)
    if as_json:
        click.echo(json.dumps(done.as_json()))
        return
    for line in done.summary():
        click.echo(line)


def doctor(as_json: options.AsJson = False) -> None:
    """Show what this computer has, how fast it trains, which limits apply, and what is missing."""
    from vidi.machine import wait_without_spinning

    wait_without_spinning()  # before torch is imported
    from vidi.workflows.doctor import describe_machine

    sections = describe_machine()
    if as_json:
        click.echo(json.dumps(sections, indent=1))
        return
    for title, values in sections.items():
        click.echo(title.replace("_", " "))
        for name, value in values.items():
            shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
            click.echo(f"  {name.replace('_', ' '):24} {shown}")
