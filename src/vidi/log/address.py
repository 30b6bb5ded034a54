"""Where a prediction log lies: a file of this computer, or a PostgreSQL server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from vidi.errors import UsageError
from vidi.files import escape_path, secret_in

PASSWORD_VARIABLE: Final = "VIDI_LOG_PASSWORD"  # noqa: S105 - its name
POSTGRESQL: Final = ("postgresql", "postgres", "postgresql+pg8000")
Encryption = Literal["disable", "require", "verify-full"]
ENCRYPTIONS: Final[tuple[Encryption, ...]] = ("disable", "require", "verify-full")
SQLITE_HEADER: Final = b"SQLite format 3\0"  # how such a file begins
REMEDY: Final = "Use a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAddress:
    """A log in a file, by SQLite."""

    path: Path

    def __str__(self) -> str:
        return escape_path(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """A log in a database of a PostgreSQL server."""

    host: str  # a name, an address, or the folder of a Unix socket
    port: int
    database: str
    user: str
    encryption: Encryption
    root_certificate: Path | None = None  # of who signed the server's; None: those that the system trusts
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"


LogAddress = FileAddress | ServerAddress


def is_log(text: str) -> bool:
    """Whether a text names a prediction log where a data set could stand: a database's URL, or an SQLite file.

    >>> is_log("postgresql://me@host/log"), is_log("photos/")
    (True, False)
    """
    scheme, separator, _ = text.partition("://")
    if separator:
        return scheme in ("sqlite", *POSTGRESQL)
    try:
        with Path(text).open("rb") as stream:
            return stream.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    except (OSError, ValueError):
        return False


def parse_address(text: str, *, environment: Mapping[str, str] | None = None) -> LogAddress:
    """Read the address of a log as it is typed.

    Args:
        text: a path, `sqlite:///PATH`, or `postgresql://USER@HOST:PORT/DATABASE?sslmode=…&sslrootcert=…`.
        environment: may hold the password, as VIDI_LOG_PASSWORD, or name its file, as VIDI_LOG_PASSWORD_FILE.

    Raises:
        UsageError: it is no such address, it holds a password, or the password's file cannot be read.

    >>> str(parse_address("log.sqlite")), str(parse_address("sqlite:////data/log.sqlite"))
    ('log.sqlite', '/data/log.sqlite')
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return FileAddress(path=_path(text))
    if scheme == "sqlite":
        if not rest.startswith("/"):
            raise UsageError(f"{text[:200]!r} names a host, and SQLite has none", "Write sqlite:///PATH.")
        return FileAddress(path=_path(unquote(rest[1:])))
    if scheme not in POSTGRESQL:
        raise UsageError(f"a log cannot be kept at {scheme[:40]}://", REMEDY)
    parts = urlsplit(text)
    if parts.password is not None:
        raise UsageError(
            "the log's URL holds a password, which every list of processes would show",
            f"Leave it out, and set {PASSWORD_VARIABLE} or {PASSWORD_VARIABLE}_FILE.",
        )
    return _server(parts, secret_in(environment or {}, PASSWORD_VARIABLE) or None)


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise UsageError("the log's path is empty", REMEDY)
    return Path(text)


def _server(parts: SplitResult, password: str | None) -> ServerAddress:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {"host", "sslmode", "sslrootcert"}):
        raise UsageError(f"the log's URL has an unknown option {unknown[0][:60]!r}", "Use sslmode or sslrootcert.")
    host = options.get("host") or parts.hostname or "localhost"
    is_near = host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")
    wanted = options.get("sslmode", "disable" if is_near else "verify-full")
    known = [one for one in ENCRYPTIONS if one == wanted]
    database = unquote(parts.path.removeprefix("/"))
    if not known:
        raise UsageError(f"sslmode={wanted[:60]!r} is unknown", f"Use one of: {', '.join(ENCRYPTIONS)}.")
    if not parts.username or not database:
        raise UsageError("the log's URL names no user or no database", REMEDY)
    return ServerAddress(
        host=host,
        port=_port(parts),
        database=database,
        user=unquote(parts.username),
        encryption=known[0],
        root_certificate=Path(options["sslrootcert"]) if options.get("sslrootcert") else None,
        password=password,
    )


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or 5432
    except ValueError as error:
        raise UsageError(f"the log's URL has no usable port: {error}", REMEDY) from error
