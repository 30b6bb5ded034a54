"""The events of a watched source as a page: when each class was in view, and the best frame of each event."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from vidi.figures.in_use import Lane, draw_event_lanes
from vidi.files import write_whole
from vidi.images.store import ImageStore
from vidi.report.pages.render import render_page
from vidi.report.pictures.thumbnails import make_thumbnails
from vidi.report.words.counting import count_of
from vidi.report.words.in_use.watch import lasting, moment, position

MOST_SHOWN = 120  # events
MOST_LANES = 20  # classes
Document = Mapping[str, Any]


def write_watch_page(path: Path, events: Sequence[Document], *, source: str, seconds: float, store: ImageStore) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        events: the last word about each, as `--jsonl` prints it, the newest last.
        source: that was watched last.
        seconds: of that source.
        store: where snapshots are found.

    Raises:
        MissingPackageError: jinja2 or matplotlib is not installed.
        ResourceError: the page cannot be written.
    """
    shown = list(reversed(events))[:MOST_SHOWN]
    names = [one["snapshot"] for one in shown if "snapshot" in one]
    values = {
        "headline": headline(events),
        "source": source,
        "lasted": lasting(seconds),
        "figure": _lanes(_of_last_run(events), seconds),
        "shown": shown,
        "left_out": len(events) - len(shown),
        "thumbnails": make_thumbnails(store, names),
        "lasting": lasting,
        "when": lambda one: position(one["began"]) if one["began_at"] is None else moment(one["began_at"]),
    }
    write_whole(path, render_page("watch.html", values))


def headline(events: Sequence[Document]) -> str:
    """What was seen, in one sentence.

    >>> headline([]), headline([{"label": "person"}, {"label": "person"}, {"label": "dog"}])
    ('Nothing was seen.', '3 events: person 2, dog 1.')
    """
    if not events:
        return "Nothing was seen."
    counts: dict[str, int] = {}
    for one in events:
        counts[one["label"]] = counts.get(one["label"], 0) + 1
    listed = ", ".join(f"{label} {count:,}" for label, count in sorted(counts.items(), key=lambda item: -item[1]))
    return f"{count_of(len(events), 'event')}: {listed}."


def _of_last_run(events: Sequence[Document]) -> list[Document]:
    """The events of the run that reported the last one."""
    runs = [str(one["id"]).rpartition("-")[0] for one in events]
    return [one for one, run in zip(events, runs, strict=True) if run == runs[-1]]


def _lanes(events: Sequence[Document], seconds: float) -> Markup | None:
    if not events:
        return None
    labels = list(dict.fromkeys(str(one["label"]) for one in events))[:MOST_LANES]
    lanes = [
        Lane(label, [(one["began"], one["last_seen"]) for one in events if one["label"] == label]) for label in labels
    ]
    longest = max(seconds, *(one["last_seen"] for one in events))
    return Markup(draw_event_lanes(lanes, seconds=longest, name="lanes"))  # noqa: S704 - made here
