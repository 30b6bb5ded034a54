"""Notices about a watched source in words: one line each."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vidi.report.pages.render import visible
from vidi.report.words.counting import count_of

MINUTE, HOUR = 60, 3600  # seconds
Document = Mapping[str, Any]  # of an event or a change, as `--jsonl` prints it


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
