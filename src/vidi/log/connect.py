"""Connections to the database of a prediction log, its transactions, and its errors in vidi's own words."""

import contextlib
import os
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from vidi.errors import DataError, UsageError, VidiError
from vidi.log.address import FileAddress, LogAddress, ServerAddress
from vidi.log.records import LogUnavailableError, NoLogError, Trouble

PATIENCE_SECONDS: Final = 5.0  # for another's lock
NETWORK_SECONDS: Final = 20.0  # for a server's next sign of life
ORDER: Final = 0x76696469  # the lock that rows are appended under, so that they are numbered in the order of commits
IS_WRITING: Final = "vidi_writes"

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL_MEMORY_MAP = 4874  # SQLITE_IOERR_SHMSIZE: the file beside the log cannot grow
_STATES: Final[dict[str, Trouble]] = {"55P03": "locked", "40P01": "locked", "57014": "locked", "53100": "full"}


def open_engine(address: LogAddress, *, create: bool, patience: float = PATIENCE_SECONDS) -> Engine:
    """What gives connections to a log; nothing is connected yet.

    Args:
        create: make a file that is not there.
        patience: seconds that another's lock is waited for.
    """
    if isinstance(address, FileAddress):
        engine = create_engine(
            "sqlite://", creator=_file_connector(address, create=create, patience=patience), poolclass=QueuePool
        )
        event.listen(engine, "begin", _begin_in_file)
        return engine
    engine = create_engine("postgresql+pg8000://", creator=_server_connector(address), pool_pre_ping=True)
    event.listen(engine, "begin", partial(_begin_on_server, patience))
    return engine


@contextlib.contextmanager
def transaction(engine: Engine, address: LogAddress, *, writes: bool) -> Iterator[Connection]:
    """A transaction that is committed when the block ends well, and never in part.

    Args:
        writes: rows are written: one such transaction at a time.

    Raises:
        LogUnavailableError: the log is locked for 5 s, full or lost.
        NoLogError: the file is no database.
    """
    with in_our_words(address), engine.connect() as connected:
        connection = connected.execution_options(**{IS_WRITING: writes})
        with connection.begin():
            yield connection


@contextlib.contextmanager
def in_our_words(address: LogAddress) -> Iterator[None]:
    """Turns a database's errors into those of vidi."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, OSError) as error:
        raise explain(error, address) from error


def explain(error: Exception, address: LogAddress) -> VidiError:
    """A database's error as one of vidi's."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(address, FileAddress):
        return _explain_file(cause, address)
    return _explain_server(cause, address)


def _explain_file(cause: BaseException, address: FileAddress) -> VidiError:
    code = getattr(cause, "sqlite_errorcode", None)  # other errors of Python's sqlite3 have none
    family = None if code is None else code & 0xFF
    if family == sqlite3.SQLITE_NOTADB:
        return NoLogError(f"{address} is not a prediction log", "Choose another file.")
    if family == sqlite3.SQLITE_CONSTRAINT:  # no further try will write it
        return DataError(
            f"{address} refuses a row: {cause}", "Report it with the row, if nothing else changed the log."
        )
    if family in _LOCKED:
        return LogUnavailableError("locked", f"{address} is locked by another program", "Try again later.")
    if family == sqlite3.SQLITE_FULL or code == _FULL_MEMORY_MAP:
        return LogUnavailableError("full", f"{address} cannot grow: the disk is full", "Make room on its disk.")
    return LogUnavailableError(
        "lost", f"{address} cannot be read or written: {cause}", "Check the file, its folder and its disk."
    )


def _explain_server(cause: BaseException, address: ServerAddress) -> VidiError:
    facts = cause.args[0] if cause.args and isinstance(cause.args[0], dict) else {}
    state, message = str(facts.get("C", "")), str(facts.get("M", cause))
    if state.startswith("28") or state == "3D000":
        return UsageError(f"{address} refuses: {message}", "Check user, database and password.")
    if state[:2] in ("22", "23"):
        return DataError(f"{address} refuses a row: {message}", "Report it with the row, if nothing else changed it.")
    trouble = _STATES.get(state, "lost")
    return LogUnavailableError(trouble, f"{address} is {trouble}: {message}", "Check the server and its disk.")


def _file_connector(address: FileAddress, *, create: bool, patience: float) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"{address.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _set_up(connection, patience)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _set_up(connection: sqlite3.Connection, patience: float) -> None:
    """What is committed is on the disk; what is deleted is overwritten; readers wait for no writer."""
    until = time.monotonic() + patience
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a new file alone
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:  # the change of mode does not wait for another's lock
            if error.sqlite_errorcode & 0xFF not in _LOCKED or time.monotonic() > until:
                raise
            time.sleep(0.01)
    for pragma in ("synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_in_file(connection: Connection) -> None:
    writes = connection.get_execution_options().get(IS_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_on_server(patience: float, connection: Connection) -> None:
    if connection.get_execution_options().get(IS_WRITING, False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {1000 * patience:.0f}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ORDER})")


def _server_connector(address: ServerAddress) -> Callable[[], Any]:
    folder = address.host if address.host.startswith("/") else None
    if folder is not None and not hasattr(socket, "AF_UNIX"):
        raise UsageError(f"{address} is a Unix socket, which this system lacks", "Name the server's host.")

    def connect() -> Any:
        from pg8000 import dbapi

        return dbapi.connect(
            address.user,
            host=address.host,
            port=address.port,
            unix_sock=None if folder is None else os.path.join(folder, f".s.PGSQL.{address.port}"),
            timeout=NETWORK_SECONDS,
            database=address.database,
            password=address.password or "",  # a server that asks for one says that it is wrong
            ssl_context=_encryption(address),
            application_name="vidi",
        )

    return connect


def _encryption(address: ServerAddress) -> ssl.SSLContext | bool:
    if address.encryption == "disable":
        return False
    context = ssl.create_default_context(cafile=address.root_certificate)
    if address.encryption == "require":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
