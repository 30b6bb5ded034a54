"""Scenes become the things in them: by their annotations, else by what a detector finds."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.detection.made_detector import grey_image, made_detector
from tests.draw import encoded
from vidi.data.dataset import Box, Dataset, LabelledImage
from vidi.detection.crops import crop_scenes
from vidi.detection.locate import cut_out
from vidi.detection.nanodet import with_margin
from vidi.errors import DataError, UsageError
from vidi.images.account import Account
from vidi.images.decode import decode_image
from vidi.images.framing import Framing, frame_image
from vidi.images.store import BytesStore
from vidi.workflows.interaction.request import read_source
from vidi.workflows.requests.data import DataRequest


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "detector.onnx"
    made_detector(path)
    return path


def scene(*cells: tuple[int, int]) -> NDArray[np.uint8]:
    """A grey image with red cells at these rows and columns: a box around each."""
    image = grey_image()
    for row, column in cells:
        image[row : row + 8, column : column + 8] = 255, 0, 0
    return image


def scenes(*images: LabelledImage, **pixels: NDArray[np.uint8]) -> Dataset:
    contents = {f"{name}.png": encoded(image) for name, image in pixels.items()}
    store, account = BytesStore(contents), Account(used=len(images))
    return Dataset(
        name="made", source="made", reader="coco", classes=("cat", "dog"), images=images, store=store, account=account
    )


def test_each_annotated_box_is_an_image_of_its_class_in_the_group_of_its_scene(detector: Path):
    boxes = (Box(0, 8, 8, 24, 40), Box(1, 0.5, 0.5, 1.0, 1.0, relative=True))
    pixels = scene((16, 32))

    found = crop_scenes(scenes(LabelledImage("a.png", frozenset({0, 1}), boxes=boxes), a=pixels), detector)

    assert [(one.path, one.label, one.group, one.boxes) for one in found.images] == [
        ("a.png#1", 0, "a.png", ()),
        ("a.png#2", 1, "a.png", ()),
    ]
    assert found.account.used == 2
    framing = Framing(size=(32, 32))
    for one, corners in zip(found.images, [[8, 8, 24, 40], [32, 32, 64, 64]], strict=True):
        learned = frame_image(decode_image(found.store.read(one.path)).image, framing)
        asked = cut_out(pixels, with_margin(np.array([corners], np.float64))[0], framing)
        np.testing.assert_array_equal(learned, asked)  # the same pixels in training and in use


def test_without_annotations_the_box_that_covers_most_of_what_is_found_stands_for_the_image(detector: Path):
    images = [LabelledImage(f"{name}.png", frozenset({name != "cat"})) for name in ("one", "two", "none", "cat")]
    pixels = {"one": scene((16, 32)), "two": scene((8, 8), (40, 8)), "none": scene(), "cat": scene((16, 32))}

    found = crop_scenes(scenes(*images, **pixels), detector)

    assert [(one.path, one.label, one.group) for one in found.images] == [
        ("one.png#1", 1, None),
        ("cat.png#1", 0, None),
    ]
    assert [(one.path, one.code) for one in found.account.set_aside] == [
        ("two.png", "no-clear-box"),
        ("none.png", "no-clear-box"),
    ]
    assert found.account.found == 4
    # The box is 28, 12, 52, 36, and with a tenth on each side 25.6, 9.6, 54.4, 38.4.
    assert decode_image(found.store.read("one.png#1")).image.shape == (38 - 10, 54 - 26, 3)


def test_a_scene_of_several_classes_without_a_box_and_a_file_that_is_no_detector_are_refused(
    detector: Path, tmp_path: Path
):
    several = scenes(LabelledImage("a.png", frozenset({0, 1})), a=scene((16, 32)))
    with pytest.raises(DataError, match=r"a\.png#1 shows cat, dog"):
        crop_scenes(several, detector)
    from tests.detection.red import red_model

    red_model(tmp_path / "red.onnx")
    with pytest.raises(UsageError, match=r"red\.onnx is no detector"):
        crop_scenes(several, tmp_path / "red.onnx")


def test_a_data_set_of_scenes_is_read_as_its_boxes(detector: Path, tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for name, lines in (("a", "0 0.5 0.5 0.5 0.5\n1 0.2 0.2 0.2 0.2\n"), ("b", "1 0.5 0.5 0.25 0.25\n")):
        (tmp_path / "images" / f"{name}.png").write_bytes(encoded(scene((16, 32))))
        (tmp_path / "labels" / f"{name}.txt").write_text(lines)

    found = read_source(DataRequest(source=str(tmp_path), names="0=cat,1=dog", proposals=str(detector)))

    shown = sorted((Path(one.path).name, found.classes[one.label]) for one in found.images)
    assert shown == [("a.png#1", "cat"), ("a.png#2", "dog"), ("b.png#1", "dog")]
