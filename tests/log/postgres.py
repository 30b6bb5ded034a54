"""A PostgreSQL server of the tests' own, with a password, on this computer alone."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from vidi.log.address import ServerAddress

USER = "vidi"


@dataclass(frozen=True)
class PostgresServer:
    """A running server."""

    port: int
    password: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    @property
    def address(self) -> ServerAddress:
        return ServerAddress(
            host="127.0.0.1",
            port=self.port,
            database="postgres",
            user=USER,
            encryption="disable",
            password=self.password,
        )


def program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps out of the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip("needs:postgresql")
    return found


def other_user() -> str | None:
    """Whom the server runs as: it refuses to be run by root."""
    return "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A new server, until the block ends."""
    make, serve, user = program("initdb"), program("postgres"), other_user()
    folder = Path(tempfile.mkdtemp(prefix="vidi-postgres-"))
    password = secrets.token_urlsafe(12)
    (folder / "password").write_text(password)
    if user is not None:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    data, given = folder / "data", f"--pwfile={folder / 'password'}"
    command = [make, "-D", data, "-U", USER, "-A", "scram-sha-256", given, "-N", "-E", "UTF8", "--locale=C"]
    subprocess.run(command, user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "shared_buffers=16MB"]
    process = subprocess.Popen(
        [serve, "-D", data, *options], user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"ready to accept connections" in line:
                break
        yield PostgresServer(port, password, folder, process)
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(folder, ignore_errors=True)
