import pytest
from tests.data.made import made_check, made_dataset

from vidi.data.splitting.split import split_dataset
from vidi.data.splitting.split_plan import SplitPlan
from vidi.errors import DataError, UsageError
from vidi.workflows.requests.shared import parse_parts

LABELS = [index % 2 for index in range(100)]


def named(*parts: tuple[str, int]) -> list[str]:
    return [name for name, count in parts for _ in range(count)]


def test_train_with_one_other_part_makes_that_one_the_test_part():
    dataset = made_dataset(LABELS, parts=named(("train", 80), ("validation", 20)))

    split = split_dataset(dataset, made_check(dataset))

    assert split.parts[80:] == ("test",) * 20
    assert split.counts() == {"train": 72, "validation": 8, "test": 20}


def test_a_whole_split_is_taken_as_named():
    dataset = made_dataset(LABELS, parts=named(("train", 60), ("validation", 20), ("test", 20)))

    split = split_dataset(dataset, made_check(dataset))

    assert split.parts == tuple(named(("train", 60), ("validation", 20), ("test", 20)))


@pytest.mark.slow  # over a second of processor time
def test_of_a_large_train_part_calibration_is_cut_too_but_not_more_than_needed():
    labels = [index % 2 for index in range(50_100)]
    dataset = made_dataset(labels, parts=named(("train", 50_000), ("test", 100)))

    split = split_dataset(dataset, made_check(dataset))

    assert split.counts() == {"train": 47_000, "validation": 1_500, "calibration": 1_500, "test": 100}


def test_parts_can_be_used_as_others():
    dataset = made_dataset(LABELS, parts=named(("train", 60), ("validation", 20), ("test", 20)))
    plan = SplitPlan(parts=parse_parts("validation=test,test=extra"))

    split = split_dataset(dataset, made_check(dataset), plan=plan)

    assert (set(split.parts[60:80]), set(split.parts[80:])) == ({"test"}, {"extra"})
    assert split.counts()["validation"] == 6


def test_a_part_that_is_not_there_is_refused():
    dataset = made_dataset(LABELS, parts=named(("train", 80), ("test", 20)))

    with pytest.raises(DataError, match="names 'validation', but made has test, train"):
        split_dataset(dataset, made_check(dataset), plan=SplitPlan(parts={"validation": "test"}))


@pytest.mark.parametrize("text", ["validation", "validation=", "a=test", "test=train,test=extra"])
def test_parts_that_are_no_pairs_of_parts_are_refused(text):
    with pytest.raises(UsageError):
        SplitPlan(parts=parse_parts(text))


def test_images_without_a_part_beside_others_are_refused():
    dataset = made_dataset(LABELS, parts=[*named(("train", 50), ("test", 49)), None])

    with pytest.raises(DataError, match=r"99[.]png has no part"):
        split_dataset(dataset, made_check(dataset))


@pytest.mark.parametrize("only", ["train", "test"])
def test_a_single_part_is_no_split(only):
    dataset = made_dataset(LABELS, parts=[only] * 100)

    with pytest.raises(DataError, match=r"part to test on|none to train on"):
        split_dataset(dataset, made_check(dataset))


def test_exact_copies_across_parts_stop_the_run_and_name_the_pair():
    dataset = made_dataset(LABELS, parts=named(("train", 80), ("test", 20)))

    with pytest.raises(DataError, match=r"4.png \(train\) and 84.png \(test\)") as stopped:
        split_dataset(dataset, made_check(dataset, same=[(4, 84)]))

    assert stopped.value.exit_code == 3
    assert "--allow-leaks" in stopped.value.remedy


def test_shared_groups_across_parts_stop_the_run():
    dataset = made_dataset(LABELS, parts=named(("train", 80), ("test", 20)), groups={3: "anna", 90: "anna"})

    with pytest.raises(DataError, match="the same group"):
        split_dataset(dataset, made_check(dataset))


def test_allowed_leaks_are_reported_with_the_test_images_concerned():
    dataset = made_dataset(LABELS, parts=named(("train", 80), ("test", 20)))
    check = made_check(dataset, same=[(4, 84)], near=[(5, 95), (90, 92)])

    split = split_dataset(dataset, check, plan=SplitPlan(allow_leaks=True))

    assert [leak.kind for leak in split.leaks] == ["exact-copies", "near-copies"]
    assert split.suspect_test_rows == (84, 95)


def test_near_copies_across_the_users_parts_are_a_finding_and_do_not_move():
    dataset = made_dataset(LABELS, parts=named(("train", 80), ("test", 20)))

    split = split_dataset(dataset, made_check(dataset, near=[(5, 95)]))

    assert split.parts[95] == "test"
    assert [leak.stops_the_run for leak in split.leaks] == [False]


def test_near_copies_within_train_stay_together_when_validation_is_cut():
    labels = [index % 2 for index in range(2_200)]
    dataset = made_dataset(labels, parts=named(("train", 2_000), ("test", 200)))
    near = [(index, index + 2) for index in range(0, 1_600, 4)]

    split = split_dataset(dataset, made_check(dataset, near=near))

    assert all(split.parts[a] == split.parts[b] for a, b in near)
    assert split.counts() == {"train": 1_600, "validation": 200, "calibration": 200, "test": 200}


@pytest.mark.fault
@pytest.mark.parametrize("each", [2, 3])
def test_tiny_classes_are_learned_and_tested(each):
    dataset = made_dataset([label for label in range(3) for _ in range(each)])

    split = split_dataset(dataset, made_check(dataset))

    assert split.untested_classes == ()
    assert {dataset.images[row].label for row in split.rows("train").tolist()} == {0, 1, 2}


@pytest.mark.fault
def test_one_image_a_class_cannot_be_learned():
    dataset = made_dataset([0, 1, 2])

    with pytest.raises(DataError, match="too few images") as stopped:
        split_dataset(dataset, made_check(dataset))

    assert "two classes with two images" in stopped.value.remedy


@pytest.mark.fault
def test_a_class_with_one_image_is_learned_but_named_as_untested():
    dataset = made_dataset([0] * 20 + [1] * 20 + [2])

    split = split_dataset(dataset, made_check(dataset))

    assert split.untested_classes == ("class-2",)
    assert split.parts[40] == "train"
