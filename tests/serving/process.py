"""A server as a process of its own, and clients that keep asking it."""

import http.client
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tests.draw import draw, encoded

IMAGE = encoded(draw("disc"))
HEADERS = {"Content-Type": "image/png"}


@contextmanager
def served(*words: object, program: Sequence[object] = ("vidi",)) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server, and its address; `program` is the module that is run, and what it takes before `serve`."""
    command = [sys.executable, "-m", *map(str, program), "serve", *map(str, words), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        yield process, next_match(process.stderr, r"listening on (\S+)")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def next_match(stream: IO[str], pattern: str) -> str:
    """What the next line that fits says."""
    said = []
    for line in stream:
        said.append(line)
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError("".join(said))


@dataclass(slots=True)
class Load:
    """Clients on connections of their own, each sending an image again as soon as it is answered."""

    url: str
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)  # (status, model id) → how many
    lost: list[str] = field(default_factory=list)  # requests that were sent and not answered
    ended: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Condition = field(default_factory=threading.Condition)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, clients: int) -> None:
        self.threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """Until so many more answers have come."""
        with self.goes_on:
            aim = self.answers.total() + count
            assert self.goes_on.wait_for(lambda: self.answers.total() >= aim or not self._lives(), 60)

    def _lives(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def stop(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _ask(self) -> None:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        while not self.ended.is_set():
            try:
                connection.connect() if connection.sock is None else None
            except OSError:
                return  # nobody listens any more
            if not self._send(connection):
                return
        connection.close()

    def _send(self, connection: http.client.HTTPConnection) -> bool:
        """Whether the server takes further requests."""
        try:
            connection.request("POST", "/v1/predict?top=1", IMAGE, HEADERS)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.lost.append(repr(error))
            return False
        found = re.search(r'"id": "(\w+)"', text)
        with self.goes_on:
            self.answers[response.status, found[1] if found else ""] += 1
            self.goes_on.notify_all()
        return True


@contextmanager
def loaded(url: str, clients: int = 4) -> Iterator[Load]:
    """A load that runs meanwhile."""
    load = Load(url)
    load.start(clients)
    try:
        load.wait_for(clients)
        yield load
    finally:
        load.stop()


def children_of(number: int) -> list[int]:
    """The processes that a process has started; Linux alone tells them."""
    found = []
    for task in Path(f"/proc/{number}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += [int(word) for word in (task / "children").read_text().split()]
    return found
