"""The tables of a prediction log, and their version."""

from typing import Final

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
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    text,
)

from vidi.images.statistics import QUALITIES
from vidi.log.records import NewerLogError, NoLogError

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

    Args:
        connection: to the log.
        create: make the tables where there are none.

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
