"""What a prediction log holds, in figures."""

import os
from collections.abc import Mapping

from sqlalchemy import Connection, func, select, text

from vidi.log.address import FileAddress, LogAddress
from vidi.log.records import KINDS, LogContents, LoggedModel, ModelTally
from vidi.log.schema import EVENTS, FEEDBACK, IMAGES, PREDICTIONS, TABLES, VERSION

JOURNALS = ("", "-wal", "-shm")  # what SQLite puts beside a file


def contents_of(connection: Connection, models: Mapping[int, LoggedModel], address: LogAddress) -> LogContents:
    """Count the rows of a log.

    Args:
        connection: to the log.
        models: by their numbers.
        address: of the log.
    """
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
