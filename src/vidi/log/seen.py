"""Events of watched sources as rows of the log: one for each event, which says what is known of it last."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from vidi.files import escape_path
from vidi.log.records import LoggedEvent
from vidi.log.schema import EVENTS


def write_events(connection: Connection, events: Sequence[LoggedEvent]) -> None:
    """Write events; one that is there already is brought up to date, but keeps its time."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for event in events:
        row = {**asdict(event), "source": escape_path(event.source), "label": escape_path(event.label)}
        changed = {name: row[name] for name in ("state", "last_seen", "best", "score")}
        made = insert(EVENTS).values(row)
        connection.execute(made.on_conflict_do_update(index_elements=[EVENTS.c.id], set_=changed))


def read_events(connection: Connection, *, since: float | None, limit: int | None) -> list[LoggedEvent]:
    """The events in their order in time.

    Args:
        connection: to the log.
        since: leave out what began before, seconds since 1970, UTC.
        limit: the newest so many; None: all.
    """
    wanted = select(EVENTS).order_by(EVENTS.c.at.desc(), EVENTS.c.id.desc())
    if since is not None:
        wanted = wanted.where(EVENTS.c.at >= since)
    if limit is not None:
        wanted = wanted.limit(limit)
    return [LoggedEvent(**row) for row in reversed(connection.execute(wanted).mappings().all())]
