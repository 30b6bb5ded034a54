"""One alarm with a stated rate: it stays quiet where nothing changed, and finds what did, whenever it began."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from tests.counts import count
from tests.monitoring.populations import SHARES, Rows, draw_reference, traffic_of
from vidi.errors import ShapeError
from vidi.model_file.drift_reference import DriftReference
from vidi.monitoring.drift import find_drift
from vidi.monitoring.finding import DriftFinding
from vidi.monitoring.traffic import ModelTraffic

RATE = 0.01


def quiet(seed: int, images: int, **options: int) -> tuple[ModelTraffic, DriftReference]:
    random = np.random.default_rng(seed)
    reference = draw_reference(random, **options)
    return traffic_of(Rows(random, images), reference), reference


def class_by_class(seed: int, *, batches: Sequence[int]) -> tuple[ModelTraffic, DriftReference]:
    """Undisturbed batches, each at one time and in the order of its classes."""
    random = np.random.default_rng(seed)
    reference = draw_reference(random)
    traffic = traffic_of(Rows(random, sum(batches)), reference)
    at = np.repeat(np.arange(len(batches), dtype=np.float64), batches)
    order = np.lexsort((traffic.said.argmax(axis=1), at))
    assert traffic.embeddings is not None
    assert traffic.novelty is not None
    return replace(
        traffic,
        at=at,
        probabilities=traffic.probabilities[order],
        said=traffic.said[order],
        verdicts=[traffic.verdicts[row] for row in order.tolist()],
        novelty=traffic.novelty[order],
        embeddings=traffic.embeddings[order],
        qualities={name: values[order] for name, values in traffic.qualities.items()},
    ), reference


def joined(first: ModelTraffic, second: ModelTraffic) -> ModelTraffic:
    """One stream after the other."""
    assert first.embeddings is not None
    assert second.embeddings is not None
    assert first.novelty is not None
    assert second.novelty is not None
    length = len(first) + len(second)
    return ModelTraffic(
        at=np.arange(length, dtype=np.float64),
        digests=[str(number) for number in range(length)],
        probabilities=np.concatenate([first.probabilities, second.probabilities]),
        said=np.concatenate([first.said, second.said]),
        verdicts=[*first.verdicts, *second.verdicts],
        novelty=np.concatenate([first.novelty, second.novelty]),
        embeddings=np.concatenate([first.embeddings, second.embeddings]),
        qualities={name: np.concatenate([values, second.qualities[name]]) for name, values in first.qualities.items()},
    )


def first_of(traffic: ModelTraffic, images: int) -> ModelTraffic:
    assert traffic.embeddings is not None
    assert traffic.novelty is not None
    return ModelTraffic(
        at=traffic.at[:images],
        digests=traffic.digests[:images],
        probabilities=traffic.probabilities[:images],
        said=traffic.said[:images],
        verdicts=traffic.verdicts[:images],
        novelty=traffic.novelty[:images],
        embeddings=traffic.embeddings[:images],
        qualities={name: values[:images] for name, values in traffic.qualities.items()},
    )


def names_of(finding: DriftFinding) -> list[str | int | None]:
    return [
        change.aspect.name if change.aspect.class_index is None else change.aspect.class_index
        for change in finding.changes
    ]


@pytest.mark.fault
def test_undisturbed_streams_alarm_at_most_at_the_stated_rate():
    streams = count(small=3, faults=100, soak=1_000)

    alarms = [find_drift(*quiet(seed, 1_000), rate=RATE).is_alarm for seed in range(streams)]

    assert sum(alarms) <= binom.ppf(0.999, streams, RATE)


@pytest.mark.slow  # 200 streams
def test_batches_that_come_class_by_class_alarm_at_most_at_the_stated_rate():
    streams = 200

    alarms = [find_drift(*class_by_class(seed, batches=(150, 60, 90)), rate=RATE).is_alarm for seed in range(streams)]

    assert sum(alarms) <= binom.ppf(0.999, streams, RATE)


def test_images_that_come_one_after_the_other_are_told_apart_by_time():
    traffic, reference = class_by_class(1, batches=(300,))
    apart = replace(traffic, at=np.arange(300.0))

    assert not find_drift(traffic, reference).is_alarm
    assert find_drift(apart, reference).is_alarm


def test_a_change_among_batches_begins_with_a_batch():
    random = np.random.default_rng(7)
    reference = draw_reference(random)
    before, after = traffic_of(Rows(random, 250), reference), traffic_of(Rows(random, 150, far=0.8), reference)

    finding = find_drift(replace(joined(before, after), at=np.repeat([1.0, 2.0], [250, 150])), reference)

    assert finding.began == 250
    assert finding.loudest is not None
    assert finding.loudest.min() >= 250


@pytest.mark.fault
def test_small_references_count_for_what_they_are():
    streams = count(small=3, faults=100, soak=1_000)

    alarms = [find_drift(*quiet(seed, 400, answers=40), rate=RATE).is_alarm for seed in range(streams)]

    assert sum(alarms) <= binom.ppf(0.999, streams, RATE)


def test_under_fifty_images_are_too_few():
    finding = find_drift(*quiet(1, 49))

    assert (finding.state, finding.image_count, finding.is_alarm) == ("too few", 49, False)


def test_copies_of_one_file_count_once():
    traffic, reference = quiet(2, 60)
    again = replace(traffic, digests=[f"{number % 30}" for number in range(60)])

    assert find_drift(again, reference).image_count == 30
    assert find_drift(again, reference).state == "too few"


def test_one_odd_image_raises_no_alarm():
    traffic, reference = quiet(3, 200)
    assert traffic.embeddings is not None
    traffic.embeddings[50] = 1e6
    for values in traffic.qualities.values():
        values[50] = 1e6

    assert not find_drift(traffic, reference).is_alarm


def test_darker_images_are_found_at_once_and_named():
    random = np.random.default_rng(4)
    reference = draw_reference(random)

    finding = find_drift(traffic_of(Rows(random, 300, far=2.0), reference), reference)

    assert finding.is_alarm
    assert finding.alarmed_at == 49
    assert finding.began is not None
    assert finding.began <= 50
    light = next(change for change in finding.changes if change.aspect.name == "brightness")
    assert light.before == pytest.approx(120, abs=6)
    assert light.after == pytest.approx(80, abs=8)


def test_other_class_shares_are_found_and_named():
    random = np.random.default_rng(5)
    reference = draw_reference(random)
    shares = SHARES[::-1]

    finding = find_drift(traffic_of(Rows(random, 400, shares=shares), reference), reference)

    assert finding.is_alarm
    assert finding.evidence["classes"] < 1e-6
    assert 4 in names_of(finding)
    grown = next(change for change in finding.changes if change.aspect.class_index == 4)
    assert (grown.before, grown.after) == (pytest.approx(0.05, abs=0.03), pytest.approx(0.4, abs=0.08))


def with_strangers(seed: int, *, embeddings: bool = True) -> tuple[DriftFinding, Rows]:
    """What is found of a stream in which one image of eight shows a new class."""
    random = np.random.default_rng(seed)
    reference, rows = draw_reference(random, answers=2_000, images=2_000), Rows(random, 2_000, outliers=0.125)
    traffic = traffic_of(rows, reference)
    return find_drift(traffic if embeddings else replace(traffic, embeddings=None), reference), rows


def test_a_new_class_is_found_by_its_novelty_and_its_images_are_shown():
    finding, rows = with_strangers(15)

    names = {change.aspect.name: change for change in finding.changes if change.aspect.kind == "novelty"}
    assert finding.is_alarm
    assert set(names) == {None, "embeddings"}
    assert names[None].before == pytest.approx(0.05, abs=0.005)
    assert names[None].after > 0.07
    assert (names["embeddings"].before, names["embeddings"].after > 0.5) == (0, True)
    assert finding.loudest is not None
    assert rows.is_stranger[finding.loudest].mean() > 0.9
    curve = next(one for one in finding.curves if one.aspect == names[None].aspect)
    assert curve.values.mean() == pytest.approx(names[None].after, abs=0.03)


def test_more_strange_images_are_found_without_embeddings():
    finding, rows = with_strangers(16, embeddings=False)

    assert [change.aspect.name for change in finding.changes if change.aspect.kind == "novelty"] == [None]
    assert finding.loudest is not None
    assert rows.is_stranger[finding.loudest].mean() > 0.4


def test_fewer_strange_images_are_no_sign_of_novelty():
    traffic, reference = quiet(18, 400)
    assert traffic.novelty is not None

    finding = find_drift(replace(traffic, novelty=traffic.novelty / 10), reference)

    assert finding.evidence["novelty"] > 0.5


def test_embeddings_alone_raise_the_alarm():
    traffic, reference = quiet(6, 400)
    assert traffic.embeddings is not None
    turned = replace(traffic, embeddings=traffic.embeddings + traffic.embeddings.std(axis=0) * 0.5)

    finding = find_drift(turned, reference)

    assert finding.is_alarm
    assert [change.aspect.kind for change in finding.changes] == ["embeddings"]


def test_a_change_that_begins_late_is_found_and_dated():
    random = np.random.default_rng(7)
    reference = draw_reference(random)
    before, after = traffic_of(Rows(random, 500), reference), traffic_of(Rows(random, 200, far=0.8), reference)

    finding = find_drift(joined(before, after), reference)

    assert finding.alarmed_at is not None
    assert 500 <= finding.alarmed_at < 650
    assert finding.began == pytest.approx(500, abs=40)
    assert finding.loudest is not None
    assert finding.loudest.min() >= finding.began


def test_asking_often_changes_nothing():
    random = np.random.default_rng(8)
    reference = draw_reference(random)
    traffic = traffic_of(Rows(random, 300, far=0.4), reference)

    alarms = {find_drift(first_of(traffic, images), reference).alarmed_at for images in (150, 200, 300)}
    early = [find_drift(first_of(traffic, images), reference).alarmed_at for images in (60, 80)]

    assert len(alarms - {None}) == 1
    assert set(early) <= {None, *alarms}


def test_other_networks_answers_are_not_compared_but_the_streams_own_past_is():
    random = np.random.default_rng(9)
    reference = replace(draw_reference(random, basis="out-of-fold"), images=None, classes=(900, 0, 0, 0, 0))
    whole = draw_reference(random)
    before, after = traffic_of(Rows(random, 300), whole), traffic_of(Rows(random, 200, shares=SHARES[::-1]), whole)

    assert not find_drift(before, reference).is_alarm
    assert find_drift(joined(before, after), reference).is_alarm


def test_images_that_belong_together_count_as_fewer():
    random = np.random.default_rng(10)
    reference = draw_reference(random, answers=60)
    traffic = traffic_of(Rows(random, 200, shares=SHARES[::-1]), reference)

    alone = find_drift(traffic, reference)
    grouped = find_drift(traffic, replace(reference, group_count=10))

    assert alone.evidence["classes"] < grouped.evidence["classes"]


def test_an_aspect_that_never_varied_is_noticed_when_it_changes():
    random = np.random.default_rng(11)
    reference = draw_reference(random)
    rows = Rows(random, 100)
    rows.qualities["saturation"] = np.full(100, 12.0)

    finding = find_drift(traffic_of(rows, reference), reference)

    assert [change.aspect.name for change in finding.changes] == ["saturation"]


def test_a_change_of_spread_shows_in_the_quartiles():
    traffic, reference = quiet(17, 300)
    light = traffic.qualities["brightness"]
    wide = replace(traffic, qualities=traffic.qualities | {"brightness": 120 + 3 * (light - 120)})

    change = next(one for one in find_drift(wide, reference).changes if one.aspect.name == "brightness")

    assert change.before_quartiles == pytest.approx((100, 140), abs=10)
    assert change.after_quartiles == pytest.approx((60, 180), abs=20)


def test_what_the_log_or_the_file_lacks_is_left_out():
    traffic, reference = quiet(12, 60)
    bare = replace(traffic, embeddings=None, novelty=None, qualities={}, verdicts=[None] * 60)
    older = replace(reference, images=None, novelty=None)

    assert set(find_drift(bare, reference).evidence) == {"classes", "confidence"}
    assert set(find_drift(traffic, older).evidence) == {"classes", "confidence", "verdicts"}
    assert set(find_drift(traffic, replace(older, novelty=reference.novelty)).evidence) == {
        "classes",
        "confidence",
        "verdicts",
        "novelty",
    }


def test_traffic_of_another_model_is_refused():
    traffic, reference = quiet(13, 60)
    assert traffic.embeddings is not None

    with pytest.raises(ShapeError, match="5 classes, but the model's reference 2"):
        find_drift(traffic, replace(reference, classes=(1, 2)))
    with pytest.raises(ShapeError, match="3 components"):
        find_drift(replace(traffic, embeddings=traffic.embeddings[:, :3]), reference)


def test_curves_show_each_aspect_beside_its_usual_value():
    finding = find_drift(*quiet(14, 500))

    light = next(curve for curve in finding.curves if curve.aspect.name == "brightness")
    assert light.until.tolist()[-1] == 500
    assert len(light.values) == len(light.until) == 10
    assert light.values == pytest.approx(light.usual, abs=20)
