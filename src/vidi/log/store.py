"""A prediction log: rows in a database, appended, read in the order of arrival, and deleted."""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, replace
from typing import Final, Self

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from vidi.files import escape_path
from vidi.log.address import FileAddress, LogAddress, parse_address
from vidi.log.connect import PATIENCE_SECONDS, in_our_words, open_engine, transaction
from vidi.log.records import (
    KINDS,
    Deleted,
    Feedback,
    LogContents,
    LoggedEvent,
    LoggedImage,
    LoggedModel,
    LoggedPrediction,
    LogUnavailableError,
    ModelTally,
    NoLogError,
    Taken,
    check_digest,
)
from vidi.log.schema import (
    CLAIMS,
    EVENTS,
    FEEDBACK,
    IMAGES,
    MODELS,
    PREDICTIONS,
    TABLES,
    VERSION,
    ModelRow,
    Row,
    feedback_of,
    feedback_row,
    insert_rows,
    model_of,
    model_row,
    prediction_of,
    prepare,
    row_of,
)

PAGE: Final = 1_000  # rows that are read at a time, so that no reader stands in the way of a deletion
JOURNALS = ("", "-wal", "-shm")  # what SQLite puts beside a file


class PredictionLog:
    """An open log. Safe to use from several threads, and by several programs at once."""

    def __init__(self, engine: Engine, address: LogAddress, *, patience: float = PATIENCE_SECONDS) -> None:
        self.address = address
        self._patience, self._turns = patience, FairLock()
        self._engine = engine
        self._models: dict[LoggedModel, ModelRow] = {}
        self._file = identity_of(address)

    @classmethod
    def open(cls, address: LogAddress | str, *, create: bool = True, patience: float = PATIENCE_SECONDS) -> Self:
        """Open a log; an older one is brought to today's schema.

        Args:
            patience: seconds that another's lock is waited for.

        Raises:
            UsageError: the address cannot be used.
            NoLogError: there is no log and none is to be made, or the file is another one.
            NewerLogError: a newer vidi wrote it.
            LogUnavailableError: it cannot be reached, or is locked for 5 s.
        """
        place = parse_address(address) if isinstance(address, str) else address
        if isinstance(place, FileAddress) and not create and not place.path.exists():
            raise NoLogError(f"there is no prediction log at {place}", "Write one with `vidi serve --log URL`.")
        engine = open_engine(place, create=create, patience=patience)
        try:
            with transaction(engine, place, writes=True) as connection:
                prepare(connection, create=create)
        except BaseException:
            engine.dispose()
            raise
        if isinstance(place, FileAddress):  # from now on a file that is gone is not made again without a word
            engine.dispose()
            engine = open_engine(place, create=False, patience=patience)
        return cls(engine, place, patience=patience)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, predictions: Sequence[LoggedPrediction]) -> None:
        """Write some predictions, all or none; one whose key is there already is left as it is.

        Raises:
            LogUnavailableError: the log is locked for 5 s, full or lost; nothing was written.
        """
        if not predictions:
            return
        with self._writing() as connection:
            models = {
                model: self._row_of(connection, model) for model in dict.fromkeys(one.model for one in predictions)
            }
            rows = [row_of(one, models[one.model]) for one in predictions]
            insert_rows(connection, PREDICTIONS, rows)
        self._models.update(models)  # only what is committed

    def predictions(
        self,
        model_id: str | None = None,
        *,
        digest: str | None = None,
        since: float | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[tuple[int, LoggedPrediction]]:
        """The predictions in the order of arrival, each with its number.

        Args:
            model_id: of the model that gave them; None: of all.
            digest: of the image that they are about; None: about all.
            since: leave out what was predicted before, seconds since 1970, UTC.
            after: leave out this number and all below: what an earlier call has given.

        Raises:
            LogUnavailableError: the log is lost.
        """
        wanted = select(PREDICTIONS).order_by(PREDICTIONS.c.id)
        if model_id is not None:
            wanted = wanted.where(PREDICTIONS.c.model.in_(select(MODELS.c.id).where(MODELS.c.model_id == model_id)))
        if since is not None:
            wanted = wanted.where(PREDICTIONS.c.at >= since)
        if digest is not None:
            wanted = wanted.where(PREDICTIONS.c.digest == digest)
        left = limit
        while left is None or left > 0:
            with self._reading() as connection:
                page = wanted.where(PREDICTIONS.c.id > after).limit(PAGE if left is None else min(PAGE, left))
                rows = connection.execute(page).mappings().all()
                models = self._known_models(connection)  # after the rows: on a server, others commit meanwhile
            for row in rows:
                yield row["id"], prediction_of(row, models[row["model"]])
            if len(rows) < (PAGE if left is None else min(PAGE, left)):
                return
            after, left = rows[-1]["id"], None if left is None else left - len(rows)

    def models(self) -> list[LoggedModel]:
        """The models that gave answers, in the order of their first one."""
        with self._reading() as connection:
            return [*self._known_models(connection).values()]

    def add_feedback(self, feedback: Feedback) -> bool:
        """Write one piece of feedback; it is on the disk when this returns.

        Returns:
            False where its key was there already; then nothing is written.

        Raises:
            LogUnavailableError: the log is locked for 5 s, full or lost; nothing was written.
        """
        return self.add_all([feedback]) == ["new"]

    def add_all(self, feedback: Sequence[Feedback]) -> list[Taken]:
        """Write some feedback, all or none; it is on the disk when this returns.

        Returns:
            What became of each: one whose key was there already is not written, and "differs" where it says
            something else than the one that was.

        Raises:
            LogUnavailableError: the log is locked for 5 s, full or lost; nothing was written.
        """
        with self._writing() as connection:
            return [_take(connection, one) for one in feedback]

    def feedback(self, *, since: float | None = None, digest: str | None = None) -> list[Feedback]:
        """All feedback in the order of arrival.

        Args:
            since: leave out what came before, seconds since 1970, UTC.
        """
        wanted = select(FEEDBACK).order_by(FEEDBACK.c.id)
        if since is not None:
            wanted = wanted.where(FEEDBACK.c.at >= since)
        if digest is not None:
            wanted = wanted.where(FEEDBACK.c.digest == digest)
        with self._reading() as connection:
            return [feedback_of(row) for row in connection.execute(wanted).mappings()]

    def undo(self, key: str) -> bool:
        """Take one piece of feedback back; False where there is none of this key."""
        with self._writing() as connection:
            return connection.execute(FEEDBACK.delete().where(FEEDBACK.c.key == key)).rowcount == 1

    def note_events(self, events: Sequence[LoggedEvent]) -> None:
        """Write events of a watched source, all or none; one that is there already is brought up to date.

        Raises:
            LogUnavailableError: the log is locked for 5 s, full or lost; nothing was written.
        """
        with self._writing() as connection:
            write_events(connection, events)

    def events(self) -> list[LoggedEvent]:
        """The events of watched sources in their order in time."""
        wanted = select(EVENTS).order_by(EVENTS.c.at, EVENTS.c.id)
        with self._reading() as connection:
            return [LoggedEvent(**row) for row in connection.execute(wanted).mappings()]

    def keep_images(self, images: Sequence[tuple[str, bytes, float]]) -> None:
        """Keep some image files: digest, bytes and time of each."""
        rows: list[Row] = [
            {"digest": check_digest(digest), "at": at, "size": len(data), "data": data} for digest, data, at in images
        ]
        if rows:
            with self._writing() as connection:
                _insert(connection, IMAGES, rows)

    def image(self, digest: str) -> bytes | None:
        """The bytes of an image file; None where it is not kept."""
        with self._reading() as connection:
            return connection.execute(select(IMAGES.c.data).where(IMAGES.c.digest == digest)).scalar_one_or_none()

    def kept_digests(self) -> list[str]:
        """The images that are kept, in the order of their coming."""
        return [one.digest for one in self.kept_images()]

    def kept_images(self) -> list[LoggedImage]:
        """The images that are kept, in the order of their coming, without their bytes."""
        wanted = select(IMAGES.c.digest, IMAGES.c.at, IMAGES.c.size).order_by(IMAGES.c.at, IMAGES.c.digest)
        with self._reading() as connection:
            return [LoggedImage(digest=row.digest, at=row.at, size=row.size) for row in connection.execute(wanted)]

    def claim(self, digest: str, reviewer: str, *, until: float, now: float) -> bool:
        """Take an image for a reviewer, so that no other is shown it; again for the same one, it is prolonged.

        Args:
            until: when the claim ends by itself, seconds since 1970, UTC.
            now: the present, likewise.

        Returns:
            False where another reviewer holds it.
        """
        made = _new(self._engine, CLAIMS).values(digest=check_digest(digest), reviewer=reviewer, until=until)
        taken = made.on_conflict_do_update(
            index_elements=[CLAIMS.c.digest],
            set_={"reviewer": reviewer, "until": until},
            where=(CLAIMS.c.until <= now) | (CLAIMS.c.reviewer == reviewer),
        )
        with self._writing() as connection:
            return connection.execute(taken).rowcount == 1

    def release(self, digest: str, reviewer: str) -> None:
        """Give a claim up; a claim of another stays."""
        held = (CLAIMS.c.digest == digest) & (CLAIMS.c.reviewer == reviewer)
        with self._writing() as connection:
            connection.execute(CLAIMS.delete().where(held))

    def delete(self, *, digest: str | None = None, before: float | None = None, images: bool = False) -> Deleted:
        """Delete rows, and overwrite where they stood in the file of an SQLite log.

        Args:
            digest: all that is known of this image.
            before: all that came before this time, seconds since 1970, UTC; with `digest`, both.
            images: all images that are kept; with `digest` or `before` these alone, and no other row.

        Raises:
            LogUnavailableError: the log is locked for 5 s, or lost.
        """
        with self._writing() as connection:
            if images:
                deleted = delete_images(connection, digest=digest, before=before)
            else:
                deleted = Deleted()
                if digest is not None:
                    deleted = delete_digest(connection, check_digest(digest))
                if before is not None:
                    deleted = deleted + delete_before(connection, before)
        overwrite(self._engine, self.address)
        return deleted

    def trim_images(self, *, before: float | None = None, most_bytes: int | None = None) -> int:
        """Delete kept images that are too old, then the oldest until the rest fits; returns how many."""
        with self._writing() as connection:
            count = trim_images(connection, before=before, most_bytes=most_bytes)
        if count:
            with suppress(LogUnavailableError):  # somebody reads: the journal is emptied with the next ones
                overwrite(self._engine, self.address, patience=0.0)
        return count

    def contents(self) -> LogContents:
        """What the log holds, in figures."""
        with self._reading() as connection:
            return contents_of(connection, self._known_models(connection), self.address)

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._transaction(writes=False)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._turns.taken(seconds=2 * self._patience), self._transaction(writes=True) as connection:
            yield connection

    def _transaction(self, *, writes: bool) -> AbstractContextManager[Connection]:
        """A transaction, where the file is still the one that was opened: SQLite would write on into a deleted one."""
        if isinstance(self.address, FileAddress) and (found := identity_of(self.address)) != self._file:
            self._engine.dispose()
            self._file = found
        if isinstance(self.address, FileAddress) and self._file is None:
            raise LogUnavailableError("lost", f"{self.address} is gone", "Put it back, or start again with a new log.")
        return transaction(self._engine, self.address, writes=writes)

    def _known_models(self, connection: Connection) -> dict[int, LoggedModel]:
        """The models of the log by their numbers."""
        return {row.id: model_of(row) for row in connection.execute(select(MODELS).order_by(MODELS.c.id))}

    def _row_of(self, connection: Connection, model: LoggedModel) -> ModelRow:
        """A model's row, which is made where there is none."""
        known = self._models.get(model)
        if known is not None:
            return known
        row = model_row(model)
        _insert(connection, MODELS, [row])
        same = [MODELS.c[name] == row[name] for name in ("model_id", "name", "version")]
        number = connection.execute(select(MODELS.c.id).where(*same)).scalar_one()
        return ModelRow(number, model)


def identity_of(address: LogAddress) -> tuple[int, int] | None:
    """Which file lies at an address now; None where there is none, or no file is meant."""
    try:
        found = os.stat(address.path) if isinstance(address, FileAddress) else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def _take(connection: Connection, feedback: Feedback) -> Taken:
    """Write one piece of feedback, unless its key is there."""
    if _insert(connection, FEEDBACK, [feedback_row(feedback)]) == 1:
        return "new"
    row = connection.execute(select(FEEDBACK).where(FEEDBACK.c.key == feedback.key)).mappings().one()
    return "known" if replace(feedback_of(row), at=feedback.at) == feedback else "differs"


def _new(place: Connection | Engine, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if place.dialect.name == "postgresql" else sqlite.insert(table)


def _insert(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Write rows but for those that are there already; returns how many of a single one were new."""
    made = _new(connection, table).on_conflict_do_nothing()
    return connection.execute(made, rows if len(rows) > 1 else rows[0]).rowcount


def write_events(connection: Connection, events: Sequence[LoggedEvent]) -> None:
    """Write events; one that is there already is brought up to date, but keeps its time."""
    for event in events:
        row = {**asdict(event), "source": escape_path(event.source), "label": escape_path(event.label)}
        changed = {name: row[name] for name in ("state", "last_seen", "best", "score")}
        made = _new(connection, EVENTS).values(row)
        connection.execute(made.on_conflict_do_update(index_elements=[EVENTS.c.id], set_=changed))


class FairLock:
    """A lock that is fair. SQLite lets whoever asks again at once go first, so one busy writer would starve another.

    >>> turns = FairLock()
    >>> with turns.taken(seconds=1):
    ...     pass
    """

    def __init__(self) -> None:
        self._changed: Final = threading.Condition()
        self._line: deque[object] = deque()  # who is at work, then who waits

    @contextlib.contextmanager
    def taken(self, *, seconds: float) -> Iterator[None]:
        """A turn, for the block.

        Raises:
            LogUnavailableError: the turn did not come.
        """
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            if not self._changed.wait_for(lambda: self._line[0] is ticket, seconds):
                self._line.remove(ticket)
                raise LogUnavailableError("locked", "others write to the log for too long", "Try again later.")
        try:
            yield
        finally:
            with self._changed:
                self._line.popleft()
                self._changed.notify_all()


def contents_of(connection: Connection, models: Mapping[int, LoggedModel], address: LogAddress) -> LogContents:
    """Count the rows of a log."""
    columns = PREDICTIONS.c
    counted = select(
        columns.model, func.count(), func.count(columns.error), func.min(columns.at), func.max(columns.at)
    ).group_by(columns.model)
    rows = {row[0]: row for row in connection.execute(counted)}
    images, image_bytes = connection.execute(
        select(func.count(), func.coalesce(func.sum(IMAGES.c.size), 0)).select_from(IMAGES)
    ).one()
    by_kind = connection.execute(select(FEEDBACK.c.kind, func.count()).group_by(FEEDBACK.c.kind)).all()
    kinds: dict[str, int] = {row[0]: row[1] for row in by_kind}
    sources = connection.execute(select(func.count(FEEDBACK.c.source.distinct()))).scalar_one()
    return LogContents(
        schema=VERSION,
        models=[
            ModelTally(model=model, predictions=row[1], refused=row[2], first=row[3], last=row[4])
            for number, model in models.items()
            if (row := rows.get(number)) is not None
        ],
        images=images,
        image_bytes=int(image_bytes),
        feedback={kind: kinds.get(kind, 0) for kind in KINDS},
        sources=sources,
        events=connection.execute(select(func.count()).select_from(EVENTS)).scalar_one(),
        bytes=_bytes_of(connection, address),
    )


def _bytes_of(connection: Connection, address: LogAddress) -> int:
    if isinstance(address, FileAddress):
        files = [f"{os.fspath(address.path)}{ending}" for ending in JOURNALS]
        return sum(os.path.getsize(file) for file in files if os.path.exists(file))
    size = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
    return sum(int(connection.execute(size, {"name": name}).scalar_one()) for name in TABLES.tables)


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
