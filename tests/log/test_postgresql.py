"""A log on a PostgreSQL server: passwords, encryption, and servers that are away."""

import threading
from dataclasses import replace

import pytest

from tests.log.made import digest, feedback, prediction
from tests.log.postgres import PostgresServer, postgres
from vidi.errors import UsageError
from vidi.log.address import parse_address
from vidi.log.records import LogUnavailableError
from vidi.log.schema import VERSION, stored_version
from vidi.log.store import PredictionLog

pytestmark = pytest.mark.slow  # starts a server


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


def test_the_password_comes_from_the_environment_and_a_wrong_one_is_said(server: PostgresServer):
    for name in ("VIDI_LOG_PASSWORD", "PGPASSWORD"):
        address = parse_address(server.url, environment={name: server.password})
        if name == "VIDI_LOG_PASSWORD":
            with PredictionLog.open(address) as log:
                assert log.contents().bytes > 0
        else:
            with pytest.raises(UsageError, match="password"):
                PredictionLog.open(address)
    wrong = parse_address(server.url, environment={"VIDI_LOG_PASSWORD": "not it"})
    with pytest.raises(UsageError, match="refuses") as refused:
        PredictionLog.open(wrong)
    assert "not it" not in str(refused.value)


def test_encryption_that_the_server_does_not_offer_is_not_done_without(server: PostgresServer):
    for encryption in ("require", "verify-full"):
        with pytest.raises(LogUnavailableError):
            PredictionLog.open(replace(server.address, encryption=encryption))


def test_a_socket_serves_as_well_as_an_address(server: PostgresServer):
    address = parse_address(
        f"postgresql://vidi@:{server.port}/postgres?host={server.folder}",
        environment={"VIDI_LOG_PASSWORD": server.password},
    )
    with PredictionLog.open(address) as log:
        log.keep_images([(digest(1), b"one", 0.0)])
        assert log.image(digest(1)) == b"one"


def test_servers_that_write_together_write_each_row_once_and_readers_miss_none(server: PostgresServer):
    with PredictionLog.open(server.address) as log:
        log.delete(before=1e12)
        seen: list[str] = []

        def write(start: int) -> None:
            with PredictionLog.open(server.address) as own:
                for number in range(start, start + 100, 10):
                    own.append([prediction(one) for one in range(number, number + 10)])

        writers = [threading.Thread(target=write, args=(1000 * number,)) for number in range(3)]
        for writer in writers:
            writer.start()
        after = 0
        while any(writer.is_alive() for writer in writers):
            for number, one in log.predictions(after=after):
                seen.append(one.digest)
                after = number
        seen += [one.digest for _, one in log.predictions(after=after)]

    assert sorted(seen) == sorted(digest(1000 * number + one) for number in range(3) for one in range(100))


def test_a_lock_is_waited_for_and_then_nothing_is_half_written(server: PostgresServer):
    from vidi.log.connect import open_engine, transaction

    with PredictionLog.open(server.address, patience=0.05) as log:
        before = len(log.feedback())
        other = open_engine(server.address, create=False)
        with transaction(other, server.address, writes=True), pytest.raises(LogUnavailableError) as locked:
            log.add_feedback(feedback(1))
        other.dispose()
        assert locked.value.trouble == "locked"
        assert len(log.feedback()) == before
        assert log.add_feedback(feedback(1))


def test_a_server_that_ends_is_told_and_the_log_goes_on_when_it_is_back():
    with postgres() as server:
        log = PredictionLog.open(server.address)
        log.append([prediction(1)])
    with log, pytest.raises(LogUnavailableError) as lost:
        log.append([prediction(2)])
    assert lost.value.trouble == "lost"


def test_two_that_open_a_new_log_at_once_make_it_once(server: PostgresServer):
    from vidi.log.connect import open_engine, transaction
    from vidi.log.schema import TABLES

    engine = open_engine(server.address, create=True)
    with transaction(engine, server.address, writes=True) as connection:
        TABLES.drop_all(connection)
    failed: list[Exception] = []

    def make() -> None:
        try:
            PredictionLog.open(server.address).close()
        except Exception as error:
            failed.append(error)

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()

    assert failed == []
    with transaction(engine, server.address, writes=False) as connection:
        assert stored_version(connection) == VERSION
    engine.dispose()
