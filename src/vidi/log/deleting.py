"""Deletes rows of a prediction log, and what is left of them in an SQLite file."""

import time

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select

from vidi.log.address import FileAddress, LogAddress
from vidi.log.connect import PATIENCE_SECONDS, in_our_words
from vidi.log.records import Deleted, LogUnavailableError
from vidi.log.schema import CLAIMS, EVENTS, FEEDBACK, IMAGES, PREDICTIONS

POLL_SECONDS = 0.02


def delete_digest(connection: Connection, digest: str) -> Deleted:
    """Delete all that is known of one image."""
    _delete(connection, CLAIMS, CLAIMS.c.digest == digest)
    return Deleted(
        predictions=_delete(connection, PREDICTIONS, PREDICTIONS.c.digest == digest),
        feedback=_delete(connection, FEEDBACK, FEEDBACK.c.digest == digest),
        images=_delete(connection, IMAGES, IMAGES.c.digest == digest),
    )


def delete_before(connection: Connection, before: float) -> Deleted:
    """Delete all that came before a time, seconds since 1970, UTC."""
    return Deleted(
        predictions=_delete(connection, PREDICTIONS, PREDICTIONS.c.at < before),
        feedback=_delete(connection, FEEDBACK, FEEDBACK.c.at < before),
        images=_delete(connection, IMAGES, IMAGES.c.at < before),
        events=_delete(connection, EVENTS, EVENTS.c.at < before),
    )


def delete_images(connection: Connection, *, digest: str | None, before: float | None) -> Deleted:
    """Delete kept images alone: all, one, or those that came before a time."""
    chosen: ColumnElement[bool] = IMAGES.c.digest.is_not(None)
    if digest is not None:
        chosen &= IMAGES.c.digest == digest
    if before is not None:
        chosen &= IMAGES.c.at < before
    return Deleted(images=_delete(connection, IMAGES, chosen))


def trim_images(connection: Connection, *, before: float | None, most_bytes: int | None) -> int:
    """Delete kept images that came before a time, then the oldest until the rest fits; returns how many."""
    count = 0 if before is None else _delete(connection, IMAGES, IMAGES.c.at < before)
    if most_bytes is None:
        return count
    total = connection.execute(select(func.coalesce(func.sum(IMAGES.c.size), 0))).scalar_one()
    oldest = connection.execute(select(IMAGES.c.digest, IMAGES.c.size).order_by(IMAGES.c.at, IMAGES.c.digest))
    excess, gone = int(total) - most_bytes, []
    for digest, size in oldest:
        if excess <= 0:
            break
        gone.append(digest)
        excess -= size
    oldest.close()
    return count + sum(_delete(connection, IMAGES, IMAGES.c.digest == digest) for digest in gone)


def overwrite(engine: Engine, address: LogAddress, *, patience: float = PATIENCE_SECONDS) -> None:
    """Let nothing of deleted rows stay in an SQLite log's files: the journal is emptied, the file made shorter.

    The rows themselves were overwritten with zeros as they were deleted. A PostgreSQL server clears its pages itself.

    Args:
        engine: of the log.
        address: of the log.
        patience: seconds that other programs which read the log are waited for.

    Raises:
        LogUnavailableError: another program reads the log for longer; the rows are deleted, the journal is not.
    """
    if not isinstance(address, FileAddress):
        return
    until = time.monotonic() + patience
    with in_our_words(address), engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - it is connected
        driver.execute("PRAGMA incremental_vacuum").fetchall()
        while driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
            if time.monotonic() > until:
                raise LogUnavailableError(
                    "locked",
                    f"{address}: the rows are deleted, but another program holds the journal that they once stood in",
                    "Delete again when it has ended.",
                )
            time.sleep(POLL_SECONDS)


def _delete(connection: Connection, table: Table, chosen: ColumnElement[bool]) -> int:
    return connection.execute(table.delete().where(chosen)).rowcount
