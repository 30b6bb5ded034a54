"""The writer never holds up who answers, writes each row once, and says how it stands."""

import threading

import pytest

from tests.log.made import digest, prediction
from vidi.errors import VidiError
from vidi.log.records import LogUnavailableError
from vidi.log.store import PredictionLog
from vidi.log.writer import MOST_ROWS, LogWriter, PendingAnswer, Retention


def handed(number: int, image: bytes | None = None) -> PendingAnswer:
    return PendingAnswer(make=lambda: prediction(number), image=image)


class Told:
    """A log that fails as it is told to, and says when it was tried."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.rows, self.images, self.trimmed = [], [], []
        self.tried: list[list[str]] = []
        self.goes_on = threading.Condition()

    def append(self, predictions):
        with self.goes_on:
            self.tried.append([one.key for one in predictions])
            self.goes_on.notify_all()
            if self.failures:
                raise self.failures.pop(0)
            self.rows += predictions

    def keep_images(self, images):
        self.images += images

    def trim_images(self, *, before=None, most_bytes=None):
        self.trimmed.append((before, most_bytes))
        return 0

    def wait_for_tries(self, count: int) -> None:
        with self.goes_on:
            assert self.goes_on.wait_for(lambda: len(self.tried) >= count, 30)


def locked() -> LogUnavailableError:
    return LogUnavailableError("locked", "it is locked", "wait")


def test_what_was_handed_over_is_in_the_log_when_the_writer_is_closed(tmp_path):
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as log:
        with LogWriter(log) as writer:
            writer.write([handed(number, b"image") for number in range(2 * MOST_ROWS + 1)])

        assert [one.digest for _, one in log.predictions()] == [digest(number) for number in range(2 * MOST_ROWS + 1)]
        assert log.kept_digests() == []  # no retention: no image
        assert (writer.state().written, writer.state().waiting, writer.state().lost) == (2 * MOST_ROWS + 1, 0, 0)


def test_a_row_that_was_not_taken_is_tried_again_with_the_same_key_and_the_change_is_said_once():
    said: list[str] = []
    log = Told(locked(), locked())
    with LogWriter(log, retry_seconds=0.02, tell=said.append) as writer:
        writer.write([handed(1)])
        log.wait_for_tries(1)
        writer.write([handed(2)])

    assert log.tried[0] == log.tried[1] == log.tried[2]
    assert [one.digest for one in log.rows] == [digest(1), digest(2)]
    assert said == ["it is locked", "the prediction log is written again"]
    assert writer.state().state == "ok"


def test_rows_beyond_what_may_wait_are_lost_and_counted_and_nobody_waits():
    stays = threading.Event()
    log = Told()
    log.append = lambda _: stays.wait(30)
    with LogWriter(log, most_waiting=3) as writer:
        writer.write([handed(number) for number in range(10)])
        assert writer.state().lost == 7
        stays.set()

    assert (writer.state().written, writer.state().lost) == (3, 7)


def test_a_program_waits_until_there_is_room_instead():
    log = Told()
    with LogWriter(log, most_waiting=2, waits_for_room=True, retry_seconds=0.02) as writer:
        writer.write([handed(number) for number in range(6)])

    assert [one.digest for one in log.rows] == [digest(number) for number in range(6)]
    assert writer.state().lost == 0


def test_a_program_does_not_wait_for_a_log_that_is_gone():
    log = Told(*(LogUnavailableError("lost", "it is gone", "look") for _ in range(99)))
    with LogWriter(log, most_waiting=1, waits_for_room=True, retry_seconds=0.02) as writer:
        writer.write([handed(1)])
        log.wait_for_tries(1)
        writer.write([handed(2), handed(3)])
        log.failures.clear()

    assert [one.digest for one in log.rows][:1] == [digest(1)]
    assert writer.state().lost >= 1


def test_a_row_that_cannot_be_made_or_written_does_not_hold_up_the_next():
    def fail():
        raise ValueError("no row")

    said: list[str] = []
    log = Told(ValueError("odd"))
    with LogWriter(log, retry_seconds=0.02, tell=said.append) as writer:
        writer.write([handed(1)])
        log.wait_for_tries(1)
        writer.write([PendingAnswer(make=fail), handed(2)])

    assert [one.digest for one in log.rows] == [digest(2)]
    assert (writer.state().written, writer.state().lost) == (1, 2)
    assert any("no row" in sentence for sentence in said)


def test_images_are_kept_where_there_is_a_retention_and_trimmed_by_it():
    log = Told()
    with LogWriter(log, retention=Retention(days=2, megabytes=3), now=lambda: 1_000_000.0) as writer:
        writer.write([handed(1, b"one"), handed(2)])

    assert log.images == [(digest(1), b"one", 1001.0)]
    assert log.trimmed[0] == (1_000_000.0 - 2 * 86_400, 3_000_000)


def test_a_writer_that_is_closed_takes_nothing_more():
    log = Told()
    with LogWriter(log) as writer:
        pass
    writer.write([handed(1)])

    assert writer.state().lost == 1


@pytest.mark.parametrize("error", [locked(), LogUnavailableError("full", "it is full", "make room")])
def test_the_state_is_that_of_the_last_failure(error: VidiError):
    log = Told(*[error] * 99)
    heard = threading.Event()
    writer = LogWriter(log, retry_seconds=0.02, tell=lambda _: heard.set())
    with writer:
        writer.write([handed(1)])
        assert heard.wait(30)
        state = writer.state()
        log.failures.clear()

    assert (state.state, state.why) == (error.trouble, error.cause)
