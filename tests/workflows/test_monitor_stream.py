"""Rows of a log become traffic: each image once, the same ones at every look, and feedback beside the answers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from tests.model_file.tiny import tiny_metadata

from vidi.log.records import Feedback, LoggedModel, LoggedPrediction
from vidi.model_file.drift_reference import DriftReference, Histogram
from vidi.workflows.monitor import BLOCK, judge_by_feedback, keep_every, read_traffic

METADATA = tiny_metadata()
MODEL = LoggedModel(model_id="0" * 12, name="tiny", version="1", classes=METADATA.classes)


def row(number: int, *, error: str | None = None) -> LoggedPrediction:
    return LoggedPrediction(
        key=f"{number:032x}",
        at=float(number),
        source="serve",
        model=MODEL,
        digest=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:048x}",
        error=error,
        probabilities=None if error else np.array([0.7, 0.2, 0.1], np.float32),
    )


def rows(count: int) -> Iterator[LoggedPrediction]:
    return (row(number) for number in range(count))


def said(digest: str, kind: str, *labels: str, by: str = "anna") -> Feedback:
    return Feedback(key=f"{digest}{by}", at=0.0, digest=digest, kind=kind, labels=labels, source=by, via="review")


def test_a_repeated_image_is_one_and_rows_that_say_nothing_are_counted():
    given = [row(1), row(2), row(1), row(3, error="unreadable"), replace(row(4), probabilities=None)]

    traffic, counted = read_traffic(given, METADATA)

    assert traffic.digests == [given[0].digest, given[1].digest]
    assert (counted.rows, counted.images, counted.refused, counted.incomplete) == (3, 2, 1, 1)


def test_a_row_without_novelty_is_incomplete_where_the_reference_compares_it():
    reference = DriftReference(
        basis="calibration",
        answer_count=3,
        group_count=3,
        classes=(3, 0, 0),
        verdicts={"sure": 3, "unsure": 0, "unknown": 0},
        confidence=Histogram.of(np.ones(3)),
        novelty=Histogram.of_tail(np.arange(3.0)),
    )
    given = [row(1), replace(row(2), novelty=7.0)]

    traffic, counted = read_traffic(given, replace(METADATA, drift_reference=reference))

    assert counted.incomplete == 1
    assert traffic.novelty is not None
    assert traffic.novelty.tolist() == [7.0]


def test_a_later_look_sees_what_an_earlier_one_saw():
    earlier, _ = read_traffic(rows(700), METADATA, whole=100)
    later, _ = read_traffic(rows(5_000), METADATA, whole=100)

    assert later.digests[: len(earlier)] == earlier.digests


def test_blocks_of_a_long_stream_stand_in_its_order():
    given = list(rows(BLOCK + 10))

    traffic, _ = read_traffic(given, METADATA)

    assert traffic.digests == [one.digest for one in given]
    assert traffic.at.tolist() == [one.at for one in given]
    assert len(traffic.probabilities) == len(given)


def test_rows_of_one_time_are_shuffled_in_the_same_way_whatever_their_order():
    given = [replace(one, at=float(number >= 50)) for number, one in enumerate(rows(80))]

    forwards, _ = read_traffic(given, METADATA)
    backwards, _ = read_traffic([*given[:50][::-1], *given[50:][::-1]], METADATA)

    assert forwards.digests == backwards.digests
    assert forwards.digests[:50] != [one.digest for one in given[:50]]
    assert forwards.at.tolist() == [one.at for one in given]


def test_memory_grows_with_the_logarithm_of_a_long_stream():
    kept = sum(number % keep_every(number, whole=100) == 0 for number in range(100_000))

    assert kept < 100 + 100 * 11


def test_agreed_words_judge_an_answer_and_of_one_person_the_last_counts():
    first, second, third, fourth = (f"{number:064x}" for number in range(4))
    answers = {digest: frozenset({"cat"}) for digest in (first, second, third, fourth)}
    feedback = [
        said(first, "label", "dog"),
        said(first, "label", "cat"),
        said(first, "label", "cat", by="ben"),
        said(second, "label", "cat"),
        said(second, "label", "dog", by="ben"),
        said(third, "unclear"),
        said(fourth, "none"),
    ]

    found = judge_by_feedback(answers, feedback)

    assert (found.judged, found.right, found.disagreed, found.unclear) == (2, 1, 1, 1)
