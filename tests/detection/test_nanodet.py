"""NanoDet's maps become boxes: on maps worked by hand, and through a whole file."""

from dataclasses import replace

import numpy as np
import pytest

from tests.detection.made_detector import SIDE, expected_scores, grey_image, made_detector, made_onnx
from tests.detection.red import red_model
from vidi.detection.adopt import EVERYDAY, adopt_detector
from vidi.detection.locate import WindowSearch
from vidi.detection.nanodet import answer_proposals, decode_boxes, is_detector, locate_by_detector
from vidi.errors import ModelError, ShapeError
from vidi.images.decode import decode_image
from vidi.model_file.metadata import Provenance
from vidi.prediction.predictor import Predictor

BOTH = WindowSearch(classes=(EVERYDAY.index("person"), EVERYDAY.index("cat")), least=0.5)
PLACES = 8 * 8 + 4 * 4 + 2 * 2  # of an image of 64 x 64


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return made_detector(tmp_path_factory.mktemp("made") / "detector.onnx")


def test_a_side_lies_at_the_mean_of_its_distribution():
    distances = np.full((PLACES, 44), -100.0, np.float32)
    sides = distances[8 + 2].reshape(4, 11)  # second row, third column of the finest map: centre 20, 12
    sides[0, [0, 1]] = 0.0  # half a stride
    sides[1, 1] = 0.0
    sides[2, [2, 4]] = 0.0, np.log(3)  # 2 with 1/4, 4 with 3/4
    sides[3, 10] = 0.0

    (box,) = decode_boxes(distances, (64, 64), np.array([10]))

    np.testing.assert_allclose(box, [20 - 4, 12 - 8, 20 + 28, 12 + 80], atol=1e-4)


def test_the_maps_follow_one_another_from_fine_to_coarse():
    distances = np.zeros((PLACES, 44), np.float32)
    distances[:, ::11] = 100.0  # every side lies in the centre

    boxes = decode_boxes(distances, (64, 64))

    centres = boxes[[0, 1, 63, 64, 68, 80, 83]]
    np.testing.assert_allclose(
        centres[:, :2], [[4, 4], [12, 4], [60, 60], [8, 8], [8, 24], [16, 16], [48, 48]], atol=1e-4
    )
    np.testing.assert_allclose(boxes[:, 2:], boxes[:, :2], atol=1e-4)


def test_nanodet_plus_has_a_fourth_map_fewer_bins_and_counts_from_corners():
    distances = np.zeros((PLACES + 1, 32), np.float32)
    distances[:, 7::8] = 100.0  # every side lies seven strides away

    boxes = decode_boxes(distances, (64, 64))

    np.testing.assert_allclose(boxes[[1, 84]], [[8 - 56, -56, 8 + 56, 56], [-448, -448, 448, 448]], atol=1e-3)


def test_maps_that_fit_no_image_are_refused():
    with pytest.raises(ShapeError, match="maps of 83 places do not fit images of 64 x 64 pixels"):
        decode_boxes(np.zeros((83, 44), np.float32), (64, 64))


def test_the_box_lies_around_the_red_cell(detector):
    image = grey_image()
    image[16:24, 32:40] = 255, 0, 0

    (found,) = locate_by_detector(image, detector, BOTH)

    assert found.label == "person"
    assert found.score == pytest.approx(expected_scores((255, 0, 0))[0], abs=1e-4)
    # The cell's centre is 36, 20; the box reaches 8 pixels back and 16 ahead.
    np.testing.assert_allclose(found.box, [28, 12, 52, 36], atol=1e-3)


def test_boxes_are_those_of_the_image_before_it_was_fitted_into_the_frame(detector):
    image = grey_image(2 * SIDE, 4 * SIDE)  # shrunk to a quarter, between bands of 16 pixels
    image[64:96, 128:160] = 255, 0, 0

    (found,) = locate_by_detector(image, detector, BOTH)

    np.testing.assert_allclose(found.box, [112, 48, 208, 128], atol=1e-2)  # 144 and 80, four times as far, cut off


def test_a_better_box_suppresses_one_of_its_class_alone(detector):
    image = grey_image()
    image[16:24, 16:24] = 255, 0, 0
    image[16:24, 24:32] = 250, 0, 0  # 16 of 32 pixels shared: IoU 0.5
    image[40:48, 16:24] = 255, 0, 0
    image[40:48, 24:32] = 0, 255, 0

    found = locate_by_detector(image, detector, BOTH)

    assert [one.label for one in found].count("person") == 3
    assert [one.label for one in found].count("cat") == 1
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_the_whole_image_answers_with_the_best_score_of_each_class(detector):
    image = grey_image()
    image[16:24, 32:40] = 255, 0, 0

    (answer,) = detector.predict([image])

    person, _ = expected_scores((255, 0, 0))
    assert is_detector(detector)
    assert answer.label == "person"
    assert answer.probability == pytest.approx(person, abs=1e-4)
    assert answer.probabilities.max() <= 1


@pytest.mark.parametrize("opset", [11, 18])
def test_a_foreign_file_of_either_form_is_adopted(tmp_path, opset):
    path = tmp_path / "plus.onnx"
    path.write_bytes(adopt_detector(made_onnx(strides=(8, 16, 32, 64), bins=8, opset=opset), Provenance()))
    image = grey_image()
    image[16:24, 32:40] = 255, 0, 0

    (found,) = locate_by_detector(image, Predictor.load(path), BOTH)

    np.testing.assert_allclose(found.box, [24, 8, 48, 32], atol=1e-3)  # from the cell's corner, 32, 16


@pytest.mark.parametrize("data", [b"\x80\x02", b"", made_onnx(classes=20), made_onnx(strides=(8, 32))])
def test_what_is_no_nanodet_is_refused(data):
    with pytest.raises(ModelError, match="detector"):
        adopt_detector(data, Provenance())


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Red where most of a crop is red, else background."""
    return red_model(tmp_path_factory.mktemp("red") / "model.onnx", pools=True)


def test_the_classifier_names_what_the_detector_proposes(detector, classifier):
    image = grey_image(2 * SIDE, 2 * SIDE)  # the detector sees it at half its size
    image[20:80, 20:80] = 255, 0, 0
    image[100:116, 100:116] = 0, 255, 0
    red = WindowSearch(classes=(classifier.classes.index("red"),))

    found = answer_proposals(image, classifier, red, detector=detector, proposed=BOTH)

    proposed = locate_by_detector(image, detector, BOTH)
    assert {one.label for one in proposed} == {"person", "cat"}
    assert {one.label for one in found} == {"red"}
    assert {one.box for one in found} < {one.box for one in proposed}
    assert found[0].rank == found[0].score * found[0].proposal


def test_a_box_that_the_classifier_calls_unknown_is_kept_and_says_so(detector, classifier, monkeypatch):
    image = grey_image()
    image[16:24, 32:40] = 255, 0, 0
    answers = [replace(one, verdict="unknown") for one in classifier.predict([image])]
    monkeypatch.setattr(Predictor, "predict_framed", lambda *_, **__: answers)
    every = WindowSearch(classes=(0, 1), least=0.99)

    (found,) = answer_proposals(image, classifier, every, detector=detector, proposed=BOTH)

    assert found.name == f"unknown, nearest {answers[0].label}"


def test_one_thing_that_is_proposed_as_two_classes_is_asked_about_once(detector, classifier):
    image = grey_image()
    image[16:24, 32:40] = 255, 255, 0  # as red as green
    every = WindowSearch(classes=(0, 1))
    weak = replace(BOTH, least=1e-6)
    both = locate_by_detector(image, detector, weak)

    found = answer_proposals(image, classifier, every, detector=detector, proposed=weak)

    assert both[0].box == both[1].box
    assert len({one.box for one in found}) == len(found)


@pytest.mark.integration  # real photographs
def test_the_real_detector_finds_the_people_of_a_photograph(real_data):
    if not (real_data / "nanodet.onnx").is_file():
        pytest.skip("data:nanodet")
    import zipfile

    with zipfile.ZipFile(real_data / "coco128.zip") as archive:
        (name,) = (one for one in archive.namelist() if one.endswith("000000000036.jpg"))
        image = decode_image(archive.read(name)).image

    found = locate_by_detector(image, Predictor.load(real_data / "nanodet.onnx"), BOTH)

    np.testing.assert_allclose(found[0].box, [137, 121, 360, 480], atol=8)
