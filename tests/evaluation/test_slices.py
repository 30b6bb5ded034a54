"""Parts of the test images: how they are cut, and which of them are flagged."""

import io

import numpy as np
from PIL import Image

from vidi.data.dataset import LabelledImage
from vidi.data.duplicates.capture import read_camera
from vidi.errors import ImageError
from vidi.evaluation.answers import Answers, Traits, measure_traits, traits_of
from vidi.evaluation.slices import evaluate_slices
from vidi.prediction.prediction import Answer

CLASSES = ("cat", "dog")


def answers(traits, right):
    """Answers that are right where they are meant to be."""
    count = len(traits)
    labels = np.arange(count) % 2
    said = np.where(right, labels, 1 - labels)
    return Answers(
        classes=CLASSES,
        paths=tuple(map(str, range(count))),
        truths=tuple(CLASSES[label] for label in labels),
        probabilities=np.eye(2, dtype=np.float32)[said],
        parts=("test",) * count,
        digests=("",) * count,
        groups=("",) * count,
        near_duplicates=(False,) * count,
        traits=tuple(traits),
    )


def traits(number, **changes):
    values = {"size": (100, 100), "brightness": 100.0, "camera": "", "source": "", "columns": ()} | changes
    return Traits(**values)


def of(slices, by):
    return [one for one in slices if one.by.startswith(by)]


def test_images_that_are_all_alike_are_not_cut():
    assert evaluate_slices(answers([traits(n) for n in range(100)], np.ones(100, bool))) == ()


def test_brightness_is_cut_into_quarters_and_the_dark_one_is_flagged():
    random = np.random.default_rng(0)
    light = np.arange(200.0)
    right = random.random(200) < np.where(light < 50, 0.5, 0.95)

    slices = evaluate_slices(answers([traits(n, brightness=light[n]) for n in range(200)], right))

    assert [one.name for one in slices] == ["up to 49", "over 49 to 99", "over 99 to 149", "over 149"]
    assert [one.accuracy.image_count for one in slices] == [50, 50, 50, 50]
    assert [one.is_worse for one in slices] == [True, False, False, False]
    assert slices[0].accuracy.value == right[:50].mean()
    assert slices[0].others.value == right[50:].mean()


def test_chance_flags_hardly_anything_however_many_parts_are_looked_at():
    random = np.random.default_rng(3)
    flagged = 0
    for _ in range(15):
        rows = [
            traits(
                n,
                brightness=random.random(),
                size=(int(random.integers(50, 500)), 100),
                columns=tuple((f"column {k}", str(random.integers(4))) for k in range(3)),
            )
            for n in range(200)
        ]
        flagged += any(one.is_worse for one in evaluate_slices(answers(rows, random.random(200) < 0.85)))

    assert flagged <= 3  # fewer than one expected


def test_cameras_sources_and_columns_are_cut_by_what_they_say():
    rows = [
        traits(n, camera="Maker A" if n % 3 else "", source=f"clinic {n % 4}", columns=(("light", day),))
        for n, day in enumerate(["day", "day", "night", "night"] * 30)
    ]
    rows = [row if n % 4 else traits(n, columns=(("light", "dusk"),)) for n, row in enumerate(rows)]

    slices = evaluate_slices(answers(rows, np.ones(120, bool)))

    assert [one.name for one in of(slices, "camera")] == ["not said", "Maker A"]
    assert [one.name for one in of(slices, "source")] == ["not said", "clinic 1", "clinic 2", "clinic 3"]
    assert [one.name for one in of(slices, "light")] == ["day", "dusk", "night"]
    assert not any(one.is_worse for one in slices)


def test_a_column_that_only_names_the_classes_again_is_left_out():
    rows = [traits(n, columns=(("id", ("c", "d")[n % 2]), ("age", str(20 + n % 50)))) for n in range(100)]

    slices = evaluate_slices(answers(rows, np.ones(100, bool)))

    assert {one.by for one in slices} == {"age"}


def test_parts_of_under_twenty_images_are_not_looked_at():
    rows = [traits(n, camera="rare" if n < 19 else "usual") for n in range(100)]

    assert evaluate_slices(answers(rows, np.arange(100) >= 19)) == ()


def test_traits_are_measured_on_the_file_as_it_is():
    image = np.zeros((200, 300, 3), np.uint8)
    image[:, 150:] = (100, 200, 50)
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x010F], exif[0x0110], exif[0xA431] = "Canon", "Canon EOS 5D", "SERIAL 42"
    Image.fromarray(image).save(stream, "JPEG", exif=exif)

    answer = Answer(
        path="b/train/Cat/1.jpg",
        outcome=ImageError("cut", "", ""),
        size=(200, 300),
        measured=measure_traits(stream.getvalue(), image),
    )
    found = traits_of(answer, LabelledImage(answer.path, frozenset([0]), part="train"), classes=["cat"])

    assert (found.camera, found.source, found.size) == ("Canon EOS 5D", "b", (200, 300))
    assert abs(found.brightness - 0.5 * (0.299 * 100 + 0.587 * 200 + 0.114 * 50)) < 1.5


def test_a_file_that_names_no_camera_or_lies_about_it_has_none():
    assert read_camera(b"no image") == ""
    assert read_camera(b"II*\x00\xff\xff\xff\xff") == ""
