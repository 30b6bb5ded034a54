"""What a log survives: kills, a full disk, a lock, a disk that is gone."""

import hashlib
import itertools
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event

from tests.counts import count
from tests.log.made import digest, feedback, prediction, tiny_with_reference
from tests.serving.process import served
from vidi.log.address import FileAddress
from vidi.log.connect import PATIENCE_SECONDS, open_engine
from vidi.log.records import LogUnavailableError
from vidi.log.store import PredictionLog
from vidi.log.writer import LogWriter, PendingAnswer

CLIENTS = 20  # that post feedback
ASKING = 2  # that ask for predictions
PIXELS = 16 * 16 * 3
LAST = 1.0  # seconds before a kill, of which predictions may be lost


@dataclass
class Clients:
    """Clients of one server until it is killed: what they were thanked for, and when they were answered."""

    url: str
    cycle: int
    thanked: list[str] = field(default_factory=list)  # keys
    answered: list[tuple[float, str]] = field(default_factory=list)  # when, digest
    goes_on: threading.Condition = field(default_factory=threading.Condition)

    def run(self) -> list[threading.Thread]:
        works = [(self._say, number) for number in range(CLIENTS)] + [(self._ask, number) for number in range(ASKING)]
        threads = [threading.Thread(target=work, args=(number,)) for work, number in works]
        for thread in threads:
            thread.start()
        return threads

    def wait(self, seconds: float) -> None:
        """Until so long after the first answer, and every client was thanked."""
        with self.goes_on:
            assert self.goes_on.wait_for(lambda: len(self.thanked) >= 2 * CLIENTS and self._lasted() > seconds, 60)

    def _lasted(self) -> float:
        return self.answered[-1][0] - self.answered[0][0] if self.answered else 0.0

    def _say(self, number: int) -> None:
        with httpx.Client(base_url=self.url) as client:
            for turn in itertools.count():
                key = f"{self.cycle}-{number}-{turn}"
                try:
                    response = client.post("/v1/feedback", json={"digest": digest(turn), "none": True, "key": key})
                except httpx.TransportError:
                    return
                if response.status_code == 200:
                    with self.goes_on:
                        self.thanked.append(key)
                        self.goes_on.notify_all()

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self.url) as client:
            for turn in itertools.count():
                pixels = f"{self.cycle} {number} {turn}".encode().ljust(PIXELS, b".")
                image = b"P6 16 16 255\n" + pixels
                try:
                    response = client.post("/v1/predict", content=image, headers={"Content-Type": "image/x-portable"})
                except httpx.TransportError:
                    return
                assert response.status_code == 200, response.text
                with self.goes_on:
                    self.answered.append((time.monotonic(), hashlib.sha256(image).hexdigest()))
                    self.goes_on.notify_all()


@pytest.mark.fault
@pytest.mark.slow  # starts and kills servers
@pytest.mark.timeout(3_600)
def test_no_kill_loses_feedback_that_was_thanked_for_or_more_than_a_second_of_predictions(tmp_path: Path):
    path = tmp_path / "log.sqlite"
    model = tiny_with_reference(tmp_path / "tiny.onnx").path
    kills = count(small=1, faults=20, soak=200)
    thanked: list[str] = []
    old: list[str] = []
    intact = 0
    for cycle in range(kills):
        with served(f"tiny={model}", "--log", path) as (process, url):
            clients = Clients(url, cycle)
            threads = clients.run()
            clients.wait(LAST + 0.3)
            killed = time.monotonic()
            process.kill()
            for thread in threads:
                thread.join()
        thanked += clients.thanked
        old += [digest for at, digest in clients.answered if at < killed - LAST]
        with closing(sqlite3.connect(path)) as file:
            intact += file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    with PredictionLog.open(str(path), create=False) as log:
        keys = Counter(one.key.partition(":")[2] for one in log.feedback())
        rows = Counter(one.digest for _, one in log.predictions())
    print(json.dumps({"kills": kills, "thanked": len(thanked), "old": len(old), "rows": rows.total()}))
    assert intact == kills
    assert [key for key in thanked if keys[key] != 1] == []
    assert max(keys.values()) == 1
    assert [one for one in old if rows[one] != 1] == []
    assert max(rows.values()) == 1
    assert len(old) >= kills


def small_disk(path: Path, pages: int) -> PredictionLog:
    """A log that may not grow beyond some pages of 4 kB, as on a full disk."""
    PredictionLog.open(str(path)).close()
    engine = open_engine(FileAddress(path=path), create=False)
    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages}"))
    return PredictionLog(engine, FileAddress(path=path))


def trouble_of(write: Callable[[], object]) -> str | None:
    """What stands in the way of writing; None: nothing."""
    try:
        write()
    except LogUnavailableError as error:
        return error.trouble
    return None


def test_a_full_disk_is_told_and_what_was_written_before_stays(tmp_path: Path):
    path = tmp_path / "log.sqlite"
    with small_disk(path, 60) as log:
        written = 0
        full = None
        while full is None:
            full = trouble_of(partial(log.append, [prediction(written)]))
            written += full is None
        with pytest.raises(LogUnavailableError):
            log.keep_images([(digest(1), bytes(200_000), 0.0)])

    assert full == "full"
    assert written > 0
    with PredictionLog.open(str(path)) as log:
        assert [one.digest for _, one in log.predictions()] == [digest(number) for number in range(written)]
        log.append([prediction(9_999)])  # where there is room again, it goes on


def test_a_writer_tells_of_a_full_disk_and_goes_on_with_room(tmp_path: Path):
    heard: list[str] = []
    is_told = threading.Event()
    with small_disk(tmp_path / "log.sqlite", 40) as log:

        def tell(sentence: str) -> None:
            heard.append(sentence)
            is_told.set()

        with LogWriter(log, tell=tell, retry_seconds=0.01) as writer:
            writer.write([PendingAnswer(make=lambda number=number: prediction(number)) for number in range(400)])
            assert is_told.wait(30)
            assert writer.state().state == "full"
            event.listen(
                log._engine,
                "checkout",
                lambda connection, *_: connection.execute("PRAGMA max_page_count = 100000"),
            )

        assert (writer.state().written, writer.state().lost) == (400, 0)
        assert len(list(log.predictions())) == 400
    assert "the disk is full" in heard[0]


def test_a_lock_is_waited_for_five_seconds_and_then_nothing_is_half_written(tmp_path: Path):
    assert PATIENCE_SECONDS == 5.0
    path = tmp_path / "log.sqlite"
    with PredictionLog.open(str(path), patience=0.05) as log, closing(sqlite3.connect(path)) as other:
        log.append([prediction(1)])
        other.execute("BEGIN IMMEDIATE")
        for write in (lambda: log.append([prediction(2)]), lambda: log.add_feedback(feedback(1))):
            with pytest.raises(LogUnavailableError) as locked:
                write()
            assert locked.value.trouble == "locked"
        assert len(list(log.predictions())) == 1  # reading goes on
        other.execute("ROLLBACK")
        log.append([prediction(2)])

        assert (len(list(log.predictions())), log.feedback()) == (2, [])


def test_what_is_committed_is_on_the_disk_and_what_is_deleted_overwritten(tmp_path: Path):
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log, log._engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "auto_vacuum")
        }

    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1, "auto_vacuum": 2}


def test_rows_are_whole_or_not_there(tmp_path: Path):
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        rows = [prediction(1), prediction(2)]
        object.__setattr__(rows[1], "label", "no class of the model")
        with pytest.raises(KeyError):
            log.append(rows)

        assert list(log.predictions()) == []
        log.append([prediction(3)])  # the model's row was not remembered as written
        assert len(list(log.predictions())) == 1
