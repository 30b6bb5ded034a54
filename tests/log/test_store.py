"""The log gives back what was written, once, in order, and forgets what is deleted."""

import itertools
import threading
from dataclasses import fields, replace

import numpy as np
import pytest

from tests.log.made import MODEL, digest, feedback, prediction, refused
from tests.log.postgres import postgres
from vidi.errors import UsageError
from vidi.log.address import FileAddress, ServerAddress, parse_address
from vidi.log.connect import transaction
from vidi.log.records import Deleted, Feedback, LoggedPrediction, LogUnavailableError, NoLogError, check_digest
from vidi.log.schema import TABLES
from vidi.log.store import PAGE, PredictionLog


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])  # starts a server
def log(request, tmp_path):
    """A new log, of each kind."""
    if request.param == "sqlite":
        address = FileAddress(path=tmp_path / "log.sqlite")
    else:
        address = request.getfixturevalue("server").address
    with PredictionLog.open(address) as opened:
        yield opened
        if request.param == "postgresql":
            opened.delete(before=1e12)
            with transaction(opened._engine, address, writes=True) as connection:
                TABLES.drop_all(connection)


@pytest.fixture
def in_file(tmp_path):
    with PredictionLog.open(str(tmp_path / "log.sqlite")) as opened:
        yield opened


def same(one: LoggedPrediction, other: LoggedPrediction) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return all(np.array_equal(a, b) and a.dtype == b.dtype if isinstance(a, np.ndarray) else a == b for a, b in pairs)


def test_a_prediction_comes_back_bit_for_bit(log):
    written = [
        prediction(3),
        refused(4),
        replace(prediction(5), decision=("dog", "cat"), candidates=(), verdict=None),
        replace(prediction(6), decision=(), novelty=None, embedding=None, statistics=None, probabilities=None),
    ]

    log.append(written)

    assert all(same(a, b) for (_, a), b in zip(log.predictions(), written, strict=True))


def test_a_row_is_written_once_however_often_it_is_tried(log):
    rows = [prediction(number) for number in range(5)]

    log.append(rows[:3])
    log.append(rows)

    assert [one.key for _, one in log.predictions()] == [one.key for one in rows]


def test_predictions_come_in_the_order_of_arrival_over_many_pages_and_from_where_a_reader_stopped(log):
    count = 2 * PAGE + 1
    log.append([prediction(number, at=float(-number)) for number in range(count)])

    read = list(log.predictions())

    assert [one.digest for _, one in read] == [digest(number) for number in range(count)]
    assert [number for number, _ in log.predictions(after=read[1499][0])] == [number for number, _ in read[1500:]]
    assert [number for number, _ in log.predictions(limit=PAGE + 1)] == [number for number, _ in read[: PAGE + 1]]
    assert list(log.predictions(limit=0)) == []


def test_predictions_are_chosen_by_model_and_time(log):
    other = replace(MODEL, model_id="beef", version="2")
    log.append([prediction(1), prediction(2, model=other), prediction(3), prediction(4, model=other)])

    assert [one.digest for _, one in log.predictions("beef")] == [digest(2), digest(4)]
    assert [one.digest for _, one in log.predictions(since=1003.0)] == [digest(3), digest(4)]
    assert list(log.predictions("none")) == []
    assert log.models() == [MODEL, other]


def test_a_reader_and_a_writer_do_not_wait_for_each_other(log):
    log.append([prediction(number) for number in range(PAGE + 10)])
    reader = log.predictions()
    next(reader)

    log.append([prediction(9_000)])

    assert len(list(reader)) == PAGE + 10


def test_the_number_of_a_deleted_prediction_is_not_given_again(log):
    log.append([prediction(1), prediction(2)])
    last = max(number for number, _ in log.predictions())
    log.delete(digest=digest(2))

    log.append([prediction(3)])

    assert [number for number, _ in log.predictions(after=last)] == [last + 1]


def test_feedback_of_one_key_counts_once_and_can_be_undone(log):
    first = feedback(1, "a")

    assert log.add_feedback(first)
    assert not log.add_feedback(replace(first, labels=("cat",)))
    assert log.add_feedback(feedback(2, "b"))
    assert log.feedback() == [first, feedback(2, "b")]
    assert log.feedback(digest=digest(2)) == [feedback(2, "b")]
    assert log.undo("a")
    assert not log.undo("a")
    assert log.feedback(since=2000.0) == [feedback(2, "b")]
    assert log.feedback(since=2000.5) == []


def test_images_are_kept_once_and_given_back(log):
    log.keep_images([(digest(2), b"two", 5.0)])
    log.keep_images([(digest(1), b"one", 4.0), (digest(2), b"again", 9.0)])

    assert log.image(digest(1)) == b"one"
    assert log.image(digest(2)) == b"two"
    assert log.image(digest(3)) is None
    assert log.kept_digests() == [digest(1), digest(2)]
    assert [(one.at, one.size) for one in log.kept_images()] == [(4.0, 3), (5.0, 3)]


def test_a_claim_holds_until_its_time_and_only_for_who_made_it(log):
    image = digest(1)

    assert log.claim(image, "ann", until=10.0, now=0.0)
    assert not log.claim(image, "ben", until=99.0, now=9.0)
    assert log.claim(image, "ann", until=20.0, now=9.0)
    assert not log.claim(image, "ben", until=99.0, now=19.0)
    assert log.claim(image, "ben", until=99.0, now=20.0)
    log.release(image, "ann")
    assert not log.claim(image, "ann", until=30.0, now=21.0)
    log.release(image, "ben")
    assert log.claim(image, "ann", until=30.0, now=21.0)


def test_deleting_a_digest_takes_all_that_is_known_of_it_and_nothing_else(log):
    log.append([prediction(1), prediction(2), prediction(1)])
    log.add_feedback(feedback(1))
    log.add_feedback(feedback(2, "stays"))
    for number in (1, 2):
        log.keep_images([(digest(number), b"image", 1.0)])
        log.claim(digest(number), "ann", until=10.0, now=0.0)

    assert log.delete(digest=digest(1)) == Deleted(predictions=2, feedback=1, images=1)
    assert [one.digest for _, one in log.predictions()] == [digest(2)]
    assert log.feedback() == [feedback(2, "stays")]
    assert log.kept_digests() == [digest(2)]
    assert log.claim(digest(1), "ben", until=10.0, now=0.0)
    assert not log.claim(digest(2), "ben", until=10.0, now=0.0)


def test_deleting_before_a_time_keeps_what_came_then_or_later(log):
    log.append([prediction(1), prediction(2)])  # at 1001 and 1002
    log.add_feedback(feedback(1, at=1001.5))
    log.keep_images([(digest(1), b"image", 1001.0)])
    log.keep_images([(digest(2), b"image", 1002.0)])

    assert log.delete(before=1002.0) == Deleted(predictions=1, feedback=1, images=1)
    assert [one.digest for _, one in log.predictions()] == [digest(2)]
    assert log.kept_digests() == [digest(2)]


def test_deleting_images_leaves_predictions_and_feedback(log):
    log.append([prediction(1)])
    log.add_feedback(feedback(1))
    for number in (1, 2, 3):
        log.keep_images([(digest(number), b"image", float(number))])

    assert log.delete(images=True, before=2.0).images == 1
    assert log.delete(images=True, digest=digest(3)).images == 1
    assert log.delete(images=True) == Deleted(images=1)
    assert (len(list(log.predictions())), len(log.feedback())) == (1, 1)


def test_images_that_are_too_old_go_first_then_the_oldest_until_the_rest_fits(log):
    for number in range(6):
        log.keep_images([(digest(number), bytes(10), float(number))])

    assert log.trim_images(before=1.0, most_bytes=35) == 3
    assert log.kept_digests() == [digest(3), digest(4), digest(5)]
    assert log.trim_images(before=1.0, most_bytes=30) == 0


@pytest.mark.parametrize("how", ["digest", "before", "images"])
def test_no_byte_of_what_was_deleted_stays_in_the_files(in_file, tmp_path, how):
    log = in_file
    marks = {"digest": digest(1).encode(), "before": digest(1).encode(), "images": b"a face that nobody may see"}
    log.append([prediction(number) for number in range(40)])
    log.add_feedback(feedback(1, at=1.0))
    log.keep_images([(digest(1), marks["images"] * 300, 1.0)])
    files = list(tmp_path.iterdir())
    assert any(marks[how] in file.read_bytes() for file in files)

    if how == "digest":
        log.delete(digest=digest(1))
    else:
        log.delete(before=1002.0, images=how == "images")

    assert not any(marks[how] in file.read_bytes() for file in tmp_path.iterdir())


def test_no_byte_of_an_image_that_is_too_old_stays_in_the_files(in_file, tmp_path):
    mark = b"a face that nobody may see"
    in_file.keep_images([(digest(1), mark * 300, 1.0)])
    in_file.keep_images([(digest(2), b"new" * 300, 9.0)])

    assert in_file.trim_images(before=5.0) == 1
    assert not any(mark in file.read_bytes() for file in tmp_path.iterdir())
    assert in_file.image(digest(2)) == b"new" * 300


def test_rows_are_deleted_and_overwritten_while_others_go_on_writing(in_file, tmp_path):
    in_file.append([prediction(1)])
    ends = threading.Event()

    def write() -> None:
        with PredictionLog.open(in_file.address) as other:
            for number in itertools.count(2):
                if ends.is_set():
                    return
                other.append([prediction(number)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert in_file.delete(digest=digest(1)).predictions == 1
    finally:
        ends.set()
        writer.join()

    assert not any(digest(1).encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_what_a_log_holds_is_counted(log):
    log.append([prediction(1), refused(2), prediction(5, model=replace(MODEL, version="2"))])
    log.add_feedback(feedback(1))
    log.add_feedback(replace(feedback(1, source="ben"), kind="none", labels=()))
    log.keep_images([(digest(1), b"12345", 0.0)])

    found = log.contents()

    assert [(one.predictions, one.refused, one.first, one.last) for one in found.models] == [
        (2, 1, 1001.0, 1002.0),
        (1, 0, 1005.0, 1005.0),
    ]
    assert (found.predictions, found.images, found.image_bytes, found.sources) == (3, 1, 5, 2)
    assert found.feedback == {"label": 1, "none": 1, "unclear": 0}
    assert found.bytes > 0


def test_two_programs_write_one_log(log):
    with PredictionLog.open(log.address) as other:
        log.append([prediction(1)])
        other.append([prediction(2)])
        log.append([prediction(3)])

        assert [one.digest for _, one in other.predictions()] == [digest(1), digest(2), digest(3)]
        assert other.models() == [MODEL]


def test_a_log_that_is_gone_is_not_written_into_nothing_and_goes_on_when_it_is_back(in_file, tmp_path):
    log = in_file
    path = tmp_path / "log.sqlite"
    log.append([prediction(1)])
    path.rename(tmp_path / "moved.sqlite")

    with pytest.raises(LogUnavailableError, match="is gone") as gone:
        log.append([prediction(2)])
    assert gone.value.trouble == "lost"
    assert not path.exists()
    (tmp_path / "moved.sqlite").rename(path)
    log.append([prediction(3)])
    assert [one.digest for _, one in log.predictions()] == [digest(1), digest(3)]


def test_a_log_is_not_made_by_who_only_reads(tmp_path):
    with pytest.raises(NoLogError, match="there is no prediction log"):
        PredictionLog.open(str(tmp_path / "none.sqlite"), create=False)
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_no_log(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"notes " * 200)

    with pytest.raises(NoLogError, match="is not a prediction log"):
        PredictionLog.open(str(path))
    assert path.read_bytes() == b"notes " * 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "none"}, "with 1 labels"),
        ({"labels": ()}, "with 0 labels"),
        ({"kind": "maybe"}, "kind 'maybe'"),
        ({"digest": "ABC"}, "is not a digest"),
        ({"source": ""}, "source is ''"),
        ({"source": "a\nb"}, "printable"),
        ({"labels": ("x" * 501,)}, "a label"),
        ({"labels": ("\udc80",)}, "a label"),
    ],
)
def test_feedback_that_makes_no_sense_is_refused(change, message):
    facts = {
        "key": "a",
        "at": 0.0,
        "digest": digest(1),
        "kind": "label",
        "labels": ("x",),
        "source": "s",
        "via": "review",
    }

    with pytest.raises(UsageError, match=message):
        Feedback(**{**facts, **change})


def test_a_digest_is_64_hex_digits():
    with pytest.raises(UsageError):
        check_digest("g" * 64)


def test_an_address_is_a_path_or_a_url():
    assert parse_address("a b/log.db") == FileAddress(path=parse_address("sqlite:///a%20b/log.db").path)
    found = parse_address("postgresql://ann@db.example:6543/vidi", environment={"VIDI_LOG_PASSWORD": "secret"})
    assert isinstance(found, ServerAddress)
    assert (found.user, found.host, found.port, found.database) == ("ann", "db.example", 6543, "vidi")
    assert (found.password, found.encryption) == ("secret", "verify-full")
    assert "secret" not in repr(found) + str(found)
    assert parse_address("postgresql://ann@localhost/vidi").encryption == "disable"  # type: ignore[union-attr]
    assert parse_address("postgresql://ann@/vidi?host=/run/pg").host == "/run/pg"  # type: ignore[union-attr]


def test_the_password_may_stand_in_a_file_which_comes_first(tmp_path):
    written = "from the file"
    (tmp_path / "password").write_text(f"{written}\n")
    url = "postgresql://ann@localhost/vidi"

    found = parse_address(
        url, environment={"VIDI_LOG_PASSWORD": "x", "VIDI_LOG_PASSWORD_FILE": str(tmp_path / "password")}
    )

    assert isinstance(found, ServerAddress)
    assert found.password == written
    with pytest.raises(UsageError, match="cannot be read"):
        parse_address(url, environment={"VIDI_LOG_PASSWORD_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ann:secret@db/vidi", "holds a password"),
        ("postgresql://ann:@db/vidi", "holds a password"),
        ("mysql://ann@db/vidi", "cannot be kept at mysql://"),
        ("sqlite://log.db", "names a host"),
        ("", "is empty"),
        ("postgresql://db/vidi", "no user"),
        ("postgresql://ann@db/", "no database"),
        ("postgresql://ann@db:99999/vidi", "no usable port"),
        ("postgresql://ann@db/vidi?password=secret", "unknown option 'password'"),
        ("postgresql://ann@db/vidi?sslmode=maybe", "sslmode='maybe'"),
    ],
)
def test_an_address_that_cannot_be_used_says_why_and_shows_no_password(url, message):
    with pytest.raises(UsageError, match=message) as refused:
        parse_address(url)
    assert "secret" not in str(refused.value)
