"""The tables of a prediction log and their version; what is recorded, as their rows."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    cast,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy import Row as RowLike
from sqlalchemy.dialects import postgresql, sqlite

from vidi.files import escape_path
from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.log.records import Feedback, LoggedModel, LoggedPrediction, NewerLogError, NoLogError

VERSION: Final = 1
TABLES: Final = MetaData()

# SQLite counts upwards only in a column of the type INTEGER; "autoincrement" keeps the number of a deleted row unused.
_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

META: Final = Table(
    "vidi_meta",
    TABLES,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
MODELS: Final = Table(
    "vidi_models",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("model_id", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("classes", Text, nullable=False),  # JSON
    Column("multi_label", Boolean, nullable=False),
    UniqueConstraint("model_id", "name", "version", name="vidi_models_once"),
)
PREDICTIONS: Final = Table(
    "vidi_predictions",
    TABLES,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("at", Double, nullable=False),
    Column("source", String(16), nullable=False),
    Column("model", Integer, ForeignKey(MODELS.c.id), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("error", String(64)),
    Column("probabilities", LargeBinary),  # float32, little endian
    Column("label", Integer),  # index into the model's classes
    Column("verdict", String(16)),
    Column("candidates", Text),  # JSON: indexes
    Column("decision", Text),  # JSON: indexes
    Column("novelty", Double),
    Column("embedding", LargeBinary),  # float32, little endian
    *(Column(name, Double) for name in QUALITIES),
    Index("vidi_predictions_digest", "digest"),
    sqlite_autoincrement=True,
)
IMAGES: Final = Table(
    "vidi_images",
    TABLES,
    Column("digest", String(64), primary_key=True),
    Column("at", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
FEEDBACK: Final = Table(
    "vidi_feedback",
    TABLES,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("at", Double, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("labels", Text, nullable=False),  # JSON
    Column("source", Text, nullable=False),
    Column("via", String(16), nullable=False),
    Column("model_id", String(64)),
    Index("vidi_feedback_digest", "digest"),
    sqlite_autoincrement=True,
)
CLAIMS: Final = Table(
    "vidi_claims",
    TABLES,
    Column("digest", String(64), primary_key=True),
    Column("reviewer", Text, nullable=False),
    Column("until", Double, nullable=False),
)

EVENTS: Final = Table(
    "vidi_events",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("model_id", String(64), nullable=False),
    Column("label", Text, nullable=False),
    Column("began", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("best", Double, nullable=False),
    Column("score", Double, nullable=False),
    Index("vidi_events_at", "at"),
)


def prepare(connection: Connection, *, create: bool) -> None:
    """Make the tables, or check their version; called in a transaction that holds the log alone.

    Raises:
        NewerLogError: a newer vidi wrote the log.
        NoLogError: the database holds no log, and none is to be made.
    """
    found = stored_version(connection)
    if found is None and not create:
        raise NoLogError("the database holds no prediction log", "Write one with `vidi serve --log URL`.")
    if found is None:
        TABLES.create_all(connection, checkfirst=False)
        connection.execute(META.insert().values(name="schema", value=str(VERSION)))
        return
    if found > VERSION:
        raise NewerLogError(
            f"the log has schema version {found}, and this vidi knows versions up to {VERSION}",
            "Use the vidi that wrote it, or a newer one.",
        )


def stored_version(connection: Connection) -> int | None:
    """The schema version of the log in a database; None where there is none."""
    if not inspect(connection).has_table(META.name):
        return None
    value = connection.execute(text(f"SELECT value FROM {META.name} WHERE name = 'schema'")).scalar_one_or_none()  # noqa: S608
    return None if value is None else int(value)


FLOAT: Final = np.dtype("<f4")

Row = dict[str, Any]  # column → value, as a database's driver takes it


class ModelRow:
    """A model's number in the log, and where its classes stand."""

    def __init__(self, number: int, model: LoggedModel) -> None:
        self.number, self.model = number, model
        self.places = {name: index for index, name in enumerate(model.classes)}


def model_row(model: LoggedModel) -> Row:
    """A model as a row."""
    return {
        "model_id": model.model_id,
        "name": escape_path(model.name),
        "version": escape_path(model.version),
        "classes": json.dumps(model.classes),
        "multi_label": model.multi_label,
    }


def model_of(row: RowLike[Any]) -> LoggedModel:
    """The model that a row holds."""
    return LoggedModel(
        model_id=row.model_id,
        name=row.name,
        version=row.version,
        classes=tuple(json.loads(row.classes)),
        multi_label=bool(row.multi_label),
    )


def row_of(one: LoggedPrediction, model: ModelRow) -> Row:
    """A prediction as a row."""
    measured = {} if one.statistics is None else asdict(one.statistics)
    return {
        "key": one.key,
        "at": one.at,
        "source": one.source,
        "model": model.number,
        "digest": one.digest,
        "error": one.error,
        "probabilities": _pack(one.probabilities),
        "label": None if one.label is None else model.places[one.label],
        "verdict": one.verdict,
        "candidates": _indexes(one.candidates, model),
        "decision": None if one.decision is None else _indexes(one.decision, model),
        "novelty": one.novelty,
        "embedding": _pack(one.embedding),
        **{name: measured.get(name) for name in QUALITIES},
    }


def prediction_of(row: RowMapping, model: LoggedModel) -> LoggedPrediction:
    """The prediction that a row holds."""
    is_measured = row["brightness"] is not None
    return LoggedPrediction(
        key=row["key"],
        at=row["at"],
        source=row["source"],
        model=model,
        digest=row["digest"],
        error=row["error"],
        probabilities=_unpack(row["probabilities"]),
        label=None if row["label"] is None else model.classes[row["label"]],
        verdict=row["verdict"],
        candidates=_names(row["candidates"], model) or (),
        decision=_names(row["decision"], model),
        novelty=row["novelty"],
        embedding=_unpack(row["embedding"]),
        statistics=ImageStatistics(**{name: row[name] for name in QUALITIES}) if is_measured else None,
    )


def feedback_row(one: Feedback) -> Row:
    """A piece of feedback as a row."""
    return {**asdict(one), "labels": json.dumps(one.labels)}


def feedback_of(row: RowMapping) -> Feedback:
    """The piece of feedback that a row holds."""
    held = {name: value for name, value in row.items() if name != "id"}
    return Feedback(**{**held, "labels": tuple(json.loads(row["labels"]))})


def _pack(values: NDArray[np.float32] | None) -> bytes | None:
    return None if values is None else values.astype(FLOAT, copy=False).tobytes()


def _unpack(data: bytes | None) -> NDArray[np.float32] | None:
    return None if data is None else np.frombuffer(data, FLOAT).astype(np.float32)


def _indexes(names: Sequence[str], model: ModelRow) -> str:
    return f"[{','.join(str(model.places[name]) for name in names)}]"


def _names(text: str | None, model: LoggedModel) -> tuple[str, ...] | None:
    return None if text is None else tuple(model.classes[index] for index in json.loads(text))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Write rows in their order, but for those that are there already.

    A PostgreSQL server gets them as one JSON document: asked once for each row, it takes twenty times as long.

    Args:
        table: all of whose columns but its number the rows have.
    """
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
        return
    names = list(rows[0])
    document = cast([{name: _as_json(value) for name, value in row.items()} for row in rows], postgresql.JSON)
    sent = func.json_populate_recordset(text(f"NULL::{table.name}"), document)
    found = sent.table_valued(*names, with_ordinality="ordinality")
    chosen = select(*(found.c[name] for name in names)).order_by(found.c.ordinality)
    connection.execute(postgresql.insert(table).from_select(names, chosen).on_conflict_do_nothing())


def _as_json(value: object) -> object:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value
