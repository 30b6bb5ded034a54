"""Which backbones there is time for."""

import pytest

from vidi.workflows.run.learning.candidates import Candidate, affordable

CANDIDATES = tuple(Candidate(name, size) for size in ((320, 224), (256, 192)) for name in ("lite0", "lite2"))


def speed(name: str, size: tuple[int, int], *, image_count: int) -> float:
    """A hundred images a second through lite0 at the first size, sixty through lite2."""
    return 1 / 100 if name == "lite0" else 1 / 60


def unasked(name: str, size: tuple[int, int], *, image_count: int) -> float:
    pytest.fail("measured")


def test_with_time_enough_everything_is_tried_and_nothing_is_measured():
    assert affordable(CANDIDATES, image_count=1_000, seconds_left=101, measure=unasked) == (CANDIDATES, "")


def test_of_few_images_the_table_says_at_which_size_their_features_fit():
    tried, sentence = affordable(CANDIDATES, image_count=200, seconds_left=20, room=5.0, measure=unasked)

    assert affordable(CANDIDATES, image_count=200, seconds_left=20, room=9.1, measure=unasked) == (CANDIDATES, "")
    assert tried == (Candidate("lite0", (224, 160)),)  # never less than half the area, for it is an estimate
    assert sentence.endswith("trying only lite0 at 224x160, not 320x224.")


def test_without_time_for_trials_the_first_that_fits_is_taken_and_the_reason_said():
    tried, sentence = affordable(CANDIDATES, image_count=1_000, seconds_left=40, measure=speed)

    assert tried == (Candidate("lite0", (320, 224)),)
    assert "1,000 images take about 10 s with lite0 at 320x224, and 40 s are left" in sentence


def test_two_networks_side_by_side_are_not_measured_and_cost_no_trial_of_their_own():
    measured = []

    def noted(name: str, size: tuple[int, int], *, image_count: int) -> float:
        measured.append(name)
        return speed(name, size, image_count=image_count)

    pair = Candidate("lite0+lite2", (320, 224))
    usual = affordable(CANDIDATES[:2], image_count=1_000, seconds_left=80, measure=speed)
    tried, _ = affordable((*CANDIDATES[:2], pair), image_count=1_000, seconds_left=80, measure=noted)
    in_less, sentence = affordable((*CANDIDATES[:2], pair), image_count=1_000, seconds_left=60, measure=speed)

    assert usual[0] == CANDIDATES[:2]
    assert tried == (*CANDIDATES[:2], pair)
    assert measured == ["lite0", "lite2"]
    assert in_less == CANDIDATES[:2]  # both take 27 s, more than the features' share of the time
    assert "Trying only lite0 at 320x224, lite2 at 320x224." in sentence


def test_where_the_usual_network_takes_too_long_the_slower_one_is_not_measured():
    measured = []

    def noted(name: str, size: tuple[int, int], *, image_count: int) -> float:
        measured.append(name)
        return 1 / 100

    affordable(CANDIDATES, image_count=1_000, seconds_left=25, measure=noted)

    assert measured == ["lite0"]


def test_a_smaller_size_is_taken_where_the_usual_one_takes_too_long():
    tried, _ = affordable(CANDIDATES, image_count=1_000, seconds_left=25, measure=speed)

    assert tried == (Candidate("lite0", (256, 192)),)


@pytest.mark.parametrize(("seconds", "size"), [(12, (192, 128)), (5, (128, 96)), (0.5, (64, 32)), (-3, (64, 32))])
def test_with_less_time_the_images_are_made_smaller_still_and_keep_their_shape(seconds, size):
    tried, sentence = affordable(CANDIDATES, image_count=1_000, seconds_left=seconds, measure=speed)

    assert tried == (Candidate("lite0", size),)
    assert f"Trying only lite0 at {size[0]}x{size[1]}." in sentence


def test_of_few_images_nothing_is_measured_for_that_takes_as_long_as_their_features():
    assert affordable(CANDIDATES[:1], image_count=300, seconds_left=5, measure=unasked) == (CANDIDATES[:1], "")
