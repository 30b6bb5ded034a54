"""Old data and feedback read as one data set."""

from dataclasses import replace

import pytest
from tests.data.made import made_dataset

from vidi.data.dataset import NEWEST, Dataset, LabelledImage
from vidi.data.joined import JoinedStore, join_feedback
from vidi.errors import DataError
from vidi.images.account import Account, Entry


class Named:
    """A store whose files hold its name and theirs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, path: str) -> bytes:
        return f"{self.name} {path}".encode()


def feedback(classes: tuple[str, ...], *, name: str = "use") -> Dataset:
    images = tuple(LabelledImage(f"{name}.png", frozenset([index])) for index, name in enumerate(classes))
    account = Account(used=len(images), set_aside=[Entry("odd.png", "negative", "It shows none.")])
    return Dataset(name, name, "class-folders", classes, images, Named(name), account)


def test_classes_keep_their_numbers_and_new_ones_come_last():
    joined = join_feedback(made_dataset([0, 1]), [feedback(("moss", "class-1"))])

    assert joined.classes == ("class-0", "class-1", "moss")
    assert [(image.path, sorted(image.labels), image.is_feedback) for image in joined.images] == [
        ("0.png", [0], False),
        ("1.png", [1], False),
        ("feedback-1:moss.png", [2], True),
        ("feedback-1:class-1.png", [1], True),
    ]


def test_each_path_is_read_where_it_lies():
    store = JoinedStore(Named("old"), (Named("use"), Named("later")))

    assert store.read("0.png") == b"old 0.png"
    assert store.read("feedback-1:0.png") == b"use 0.png"
    assert store.read("feedback-2:0.png") == b"later 0.png"


def test_of_an_image_that_is_labelled_again_the_last_label_counts():
    first, second = feedback(("moss", "fern")), feedback(("fern", "class-0"))
    relabelled = LabelledImage("moss.png", frozenset([1]))  # the same bytes as the moss of the first source
    second = replace(second, images=(*second.images, relabelled))

    joined = join_feedback(made_dataset([0, 1]), [first, second])

    assert joined.classes == ("class-0", "class-1", "moss", "fern")
    assert [(image.path, sorted(image.labels)) for image in joined.images[2:]] == [
        ("feedback-2:fern.png", [3]),
        ("feedback-2:class-0.png", [0]),
        ("feedback-2:moss.png", [0]),
    ]
    assert [one.path for one in joined.account.set_aside if one.code == "labelled-again"] == [
        "feedback-1:moss.png",
        "feedback-1:fern.png",
    ]


def test_images_that_show_none_of_the_classes_are_taken_over():
    assert join_feedback(made_dataset([0, 1]), [feedback(("class-0",))]).negatives == ["feedback-1:odd.png"]


def test_beside_a_split_of_the_users_own_feedback_counts_to_train():
    joined = join_feedback(made_dataset([0, 1], parts=["train", "test"]), [feedback(("class-0",))])

    assert [image.part for image in joined.images] == ["train", "test", "train"]


def test_feedback_in_a_train_folder_beside_others_is_only_for_learning():
    source = feedback(("class-0", "class-1"))
    parts = ("train", "test")
    images = tuple(replace(image, part=part) for image, part in zip(source.images, parts, strict=True))

    joined = join_feedback(made_dataset([0, 1]), [replace(source, images=images)])

    assert [(image.is_for_learning, image.part) for image in joined.images[2:]] == [(True, None), (False, None)]


def test_what_enough_newer_feedback_follows_is_only_for_learning():
    newer = [
        feedback(tuple(f"class-{number}" for number in range(count)), name="later") for count in (NEWEST - 1, NEWEST)
    ]

    some, enough = (join_feedback(made_dataset([0, 1]), [feedback(("class-0",)), source]) for source in newer)

    assert not any(image.is_for_learning for image in some.images)
    assert [image.path for image in enough.images if image.is_for_learning] == ["feedback-1:class-0.png"]


def test_paths_that_look_like_feedback_are_refused():
    old = join_feedback(made_dataset([0, 1]), [feedback(("class-0",))])

    with pytest.raises(DataError, match="begins as the paths of feedback do"):
        join_feedback(old, [feedback(("class-0",))])
