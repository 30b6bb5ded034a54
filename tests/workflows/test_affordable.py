"""Which backbones there is time for."""

import pytest

from vidi.workflows.pretrained import affordable as subject
from vidi.workflows.pretrained.affordable import affordable
from vidi.workflows.pretrained.backbones import Candidate

CANDIDATES = tuple(Candidate(name, size) for size in ((320, 224), (256, 192)) for name in ("lite0", "lite2"))


@pytest.fixture(autouse=True)
def _speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred images a second through lite0 at the first size, sixty through lite2."""
    monkeypatch.setattr(subject, "_seconds_per_image", lambda name, *_, **__: 1 / 100 if name == "lite0" else 1 / 60)


def test_with_time_enough_everything_is_tried_and_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(subject, "_seconds_per_image", lambda *_, **__: pytest.fail("measured"))

    assert affordable(CANDIDATES, image_count=1_000, seconds_left=101) == (CANDIDATES, "")


def test_without_time_for_trials_the_first_that_fits_is_taken_and_the_reason_said():
    tried, sentence = affordable(CANDIDATES, image_count=1_000, seconds_left=40)

    assert tried == (Candidate("lite0", (320, 224)),)
    assert "1,000 images take about 10 s with lite0 at 320x224, and 40 s are left" in sentence


def test_where_the_usual_network_takes_too_long_the_slower_one_is_not_measured(monkeypatch):
    measured = []
    monkeypatch.setattr(subject, "_seconds_per_image", lambda name, *_, **__: measured.append(name) or 1 / 100)

    affordable(CANDIDATES, image_count=1_000, seconds_left=25)

    assert measured == ["lite0"]


def test_a_smaller_size_is_taken_where_the_usual_one_takes_too_long():
    tried, _ = affordable(CANDIDATES, image_count=1_000, seconds_left=25)

    assert tried == (Candidate("lite0", (256, 192)),)


@pytest.mark.parametrize(("seconds", "size"), [(12, (192, 128)), (5, (128, 96)), (0.5, (64, 32)), (-3, (64, 32))])
def test_with_less_time_the_images_are_made_smaller_still_and_keep_their_shape(seconds, size):
    tried, sentence = affordable(CANDIDATES, image_count=1_000, seconds_left=seconds)

    assert tried == (Candidate("lite0", size),)
    assert f"Trying only lite0 at {size[0]}x{size[1]}." in sentence


def test_of_few_images_nothing_is_measured_for_that_takes_as_long_as_their_features(monkeypatch):
    monkeypatch.setattr(subject, "_seconds_per_image", lambda *_, **__: pytest.fail("measured"))

    assert affordable(CANDIDATES[:1], image_count=300, seconds_left=5) == (CANDIDATES[:1], "")
