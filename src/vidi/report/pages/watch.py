"""The events of a watched source, in words and as a page: when each class was in view, and its best frames."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.figures.in_use import draw_event_lanes
from vidi.images.store import ImageStore
from vidi.numbers import count_of
from vidi.report.pages.render import write_page
from vidi.report.pictures.thumbnails import make_thumbnails
from vidi.report.words.text import drawn, visible

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_SHOWN = 120  # events
MOST_LANES = 20  # classes
MINUTE, HOUR = 60, 3600  # seconds
Document = Mapping[str, Any]  # of an event or a change, as `--jsonl` prints it


def write_watch_page(path: Path, events: Sequence[Document], *, source: str, seconds: float, store: ImageStore) -> None:
    """Write the page; raises like `write_page`.

    Args:
        events: the last word about each, as `--jsonl` prints it, the newest last.
        seconds: of that source.
    """
    shown = list(reversed(events))[:MOST_SHOWN]
    names = [one["snapshot"] for one in shown if "snapshot" in one]
    values = {
        "headline": headline(events),
        "source": source,
        "lasted": lasting(seconds),
        "figure": _lanes(events, seconds),
        "shown": shown,
        "left_out": len(events) - len(shown),
        "thumbnails": make_thumbnails(store, names),
        "lasting": lasting,
        "when": lambda one: position(one["began"]) if one["began_at"] is None else moment(one["began_at"]),
    }
    write_page(path, "watch.html", values)


def headline(events: Sequence[Document]) -> str:
    """What was seen, in one sentence.

    >>> headline([]), headline([{"label": "person"}, {"label": "person"}, {"label": "dog"}])
    ('Nothing was seen.', '3 events: person 2, dog 1.')
    """
    if not events:
        return "Nothing was seen."
    counts = Counter(one["label"] for one in events)
    listed = ", ".join(f"{label} {count:,}" for label, count in counts.most_common())
    return f"{count_of(len(events), 'event')}: {listed}."


def _lanes(events: Sequence[Document], seconds: float) -> "Markup | None":
    """The events of the run that reported the last one, over time."""
    if not events:
        return None
    runs = [str(one["id"]).rpartition("-")[0] for one in events]
    events = [one for one, run in zip(events, runs, strict=True) if run == runs[-1]]
    labels = list(dict.fromkeys(str(one["label"]) for one in events))[:MOST_LANES]
    lanes = {label: [(one["began"], one["last_seen"]) for one in events if one["label"] == label] for label in labels}
    longest = max(seconds, *(one["last_seen"] for one in events))
    return drawn(draw_event_lanes(lanes, seconds=longest))


def notice_line(document: Document) -> str:
    """One event, or what happened to the source, with its time."""
    match document["event"]:
        case "new":
            when, at = document["began"], document["began_at"]
            said = f"{visible(document['label'])} appeared"
        case "update":
            when, at = document["last_seen"], document["last_seen_at"]
            said = f"{visible(document['label'])} still there, for {lasting(document['duration'])}"
        case "end":
            when, at = document["last_seen"], document["last_seen_at"]
            clearest = position(document["best"]["seconds"])
            said = f"{visible(document['label'])} left after {lasting(document['duration'])}, clearest at {clearest}"
        case kind:
            when, at = document["seconds"], document["at"]
            said = f"{visible(document['source'])}: {kind}, {visible(document['reason'])}"
    return f"{position(when) if at is None else moment(at)}  {said}{_boxes(document)}"


def ending_lines(summary: Document, *, took: float) -> list[str]:
    """What came out in all.

    Args:
        summary: `frames`, `events` by label, `seconds`, `offline` and `damage`.
        took: seconds that the watch took.
    """
    counts = ", ".join(f"{visible(label)} {count}" for label, count in sorted(summary["events"].items()))
    total = sum(summary["events"].values())
    frames = count_of(summary["frames"], "frame")
    lines = [
        f"{count_of(total, 'event')}{f' ({counts})' if counts else ''} in {frames}, {lasting(summary['seconds'])} long"
    ]
    if took > 0 and summary["frames"]:
        lines[0] += f"; looked at {summary['frames'] / took:,.1f} frames a second"
    if summary["offline"]:
        lines.append(f"the source was lost {count_of(summary['offline'], 'time')}")
    if summary["damage"]:
        lines.append(f"the file is damaged: {visible(summary['damage'])}; the events before and after it are notice")
    return lines


def position(seconds: float) -> str:
    """A time within a source.

    >>> position(72.46), position(3_725.0)
    ('01:12.5', '1:02:05.0')
    """
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 10 * MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    short = f"{minutes:02d}:{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{short}" if hours else short


def lasting(seconds: float) -> str:
    """A duration.

    >>> lasting(6.54), lasting(75.0), lasting(7_260.0)
    ('6.5 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def moment(text: str) -> str:
    """A date and time as RFC 3339 writes it, in the time of this computer."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _boxes(document: Document) -> str:
    boxes = document.get("boxes")
    return "" if boxes is None else f"  {count_of(len(boxes), 'box')}"
