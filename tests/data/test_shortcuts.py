"""Planted shortcuts are found, sets without one are left alone; no file is written for it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cases import few_fast
from tests.data.scenes import scene

from vidi.data.checked import DataCheck, ImageRecord, Shortcuts
from vidi.data.checking.shortcuts import find_shortcuts, list_shortcuts
from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.duplicates.fingerprint import fingerprint_image, unpack_fingerprints
from vidi.images.account import Account
from vidi.images.store import FolderStore

EACH = 50
Array = np.ndarray
Change = Callable[[Array], Array]


@cache
def scenes(count: int) -> tuple[Array, ...]:
    return tuple(scene(seed, size=(96, 128)) for seed in range(count))


def looked_at(
    change: Change | None = None,
    *,
    classes: int = 2,
    each: int = EACH,
    byte_counts: tuple[int, ...] = (9_000,),
    part: str | None = None,
    side: int | None = None,
    several: bool = False,
) -> tuple[Shortcuts | None, list[str]]:
    """What is found where the images of the first class were changed; and the sentences about it.

    With `several`, half of the images also show one more class, whatever they are like.
    """
    images = scenes(classes * each)
    if side is not None:
        images = tuple(np.asarray(Image.fromarray(image).resize((side, side))) for image in images)
    random = np.random.default_rng(0)
    labels = [number % classes for number in range(len(images))]
    changed = [
        change(image) if change is not None and label == 0 else image
        for image, label in zip(images, labels, strict=True)
    ]
    records = tuple(
        ImageRecord(
            f"{number}.jpg",
            f"{number:064}",
            byte_counts[label % len(byte_counts)] + int(random.integers(0, 900)),
            image.shape[:2],
        )
        for number, (image, label) in enumerate(zip(changed, labels, strict=True))
    )
    shown = [frozenset([label]) for label in labels]
    if several:
        also = random.random(len(labels)) < 0.5
        shown = [one | {classes} if more else one for one, more in zip(shown, also, strict=True)]
    dataset = Dataset(
        "planted",
        "planted",
        "own",
        tuple("abcdefgh"[: classes + several]),
        tuple(LabelledImage(f"{number}.jpg", each, part=part) for number, each in enumerate(shown)),
        FolderStore(Path(".")),
        multi_label=several,
    )
    check = DataCheck(records=records, near_duplicates=(), findings=(), account=Account())
    prints = unpack_fingerprints(np.stack([fingerprint_image(image) for image in changed]))
    found = find_shortcuts(dataset, check, prints)
    return found, [one.sentence for one in list_shortcuts(found, [record.path for record in records])]


def watermark(image: Array) -> Array:
    marked = image.copy()
    marked[-12:-2, -12:-2] = (220, 40, 40)
    marked[-8:-6, -12:-2] = 255
    return marked


def small_mark(image: Array) -> Array:
    marked = image.copy()
    marked[-10:-3, -10:-3] = 250
    return marked


def faint_mark(image: Array) -> Array:
    marked = image.astype(float)
    marked[-11:-5, -18:-4] = 0.6 * marked[-11:-5, -18:-4] + 0.4 * 255
    return marked.astype(np.uint8)


def brighter(image: Array) -> Array:
    return np.clip(image.astype(int) + 50, 0, 255).astype(np.uint8)


def darker(image: Array) -> Array:
    return (image * 0.6).astype(np.uint8)


def framed(image: Array) -> Array:
    edged = image.copy()
    edged[:4] = edged[-4:] = 20
    return edged


@pytest.mark.parametrize("classes", few_fast([2, 4]))
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (watermark, "corners"),
        (small_mark, "corners"),
        (faint_mark, "corners"),
        (brighter, "mean colour and light"),
        (darker, "mean colour and light"),
        (framed, "outermost edge"),
    ],
)
def test_a_planted_shortcut_is_named(change, named, classes):
    _, sentences = looked_at(change, classes=classes)

    assert len(sentences) == 1
    assert named in sentences[0]
    assert "the model may learn this instead of what the images show" in sentences[0]


def test_of_several_classes_each_is_told_from_the_images_without_it():
    planted, sentences = looked_at(watermark, classes=2, several=True)
    clean, nothing = looked_at(classes=2, several=True)

    assert nothing == []
    assert clean.chance == planted.chance == 0.5
    assert all(one.interval.low < 0.5 < one.interval.high + 0.1 for one in clean.families)
    assert len(sentences) == 1
    assert "corners" in sentences[0]
    assert "from images without it: " in sentences[0]
    corners = next(one for one in planted.families if one.family == "corners")
    told = {one.name: one.told for one in corners.classes}
    assert told["a"] > 0.9
    assert told["c"] < 0.65


@pytest.mark.parametrize("classes", [2, 4, 8])
def test_a_set_without_a_shortcut_is_left_alone(classes):
    found, sentences = looked_at(classes=classes, each=30)

    assert sentences == []
    assert all(one.interval.low < 2 / classes for one in found.families)


def test_the_size_of_the_file_is_named_with_what_it_reaches():
    found, sentences = looked_at(byte_counts=(9_000, 10_500))

    assert found.families[0].accuracy >= 0.98
    assert sentences == [
        f"the size and kind of the file alone can tell a and b apart in {100 * found.families[0].accuracy:.0f} % "
        "of images (chance: 50 %): the model may learn this instead of what the images show"
    ]
    assert found.families[0].interval.low > 0.9


def test_few_images_prove_nothing():
    assert looked_at(watermark, each=12)[1] == []
    assert looked_at(watermark, each=9) == (None, [])
    assert looked_at(watermark, each=9, several=True) == (None, [])


def test_images_of_the_test_part_are_not_looked_at():
    assert looked_at(watermark, part="test") == (None, [])


def test_where_the_image_is_all_edge_the_edge_is_no_shortcut():
    def outlined(image: Array) -> Array:
        changed = image.copy()
        changed[0] = 0
        return changed

    _, of_tiny = looked_at(outlined, side=12)
    _, of_small = looked_at(outlined, side=24)

    assert not any("the outermost edge" in sentence or "corner" in sentence for sentence in of_tiny)
    assert any("the outermost edge" in sentence or "corner" in sentence for sentence in of_small)


def test_the_figures_stand_in_the_document():
    found, _ = looked_at(watermark)

    document = found.as_json()

    assert (document["images"], document["classes"], document["chance"]) == (100, 2, 0.5)
    assert [row["family"] for row in document["families"]] == [
        "file",
        "dimensions",
        "corners",
        "border",
        "colour",
        "detail",
        "together",
        "middle",
    ]
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in document["families"])
