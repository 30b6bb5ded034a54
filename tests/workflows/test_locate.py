"""`vidi.locate` takes what a caller holds, `vidi locate --output` writes a page; the bad is named, the rest done."""

import io
import json
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.command import vidi as vidi_command
from tests.detection.made_detector import grey_image, made_detector
from tests.detection.red import red_model, with_square
from tests.draw import draw
from tests.model_file.test_golden import limits, written
from tests.model_file.tiny import tiny_metadata

import vidi
from vidi.boxes import overlaps
from vidi.data.inputs import find_paths
from vidi.detection.locate import Located
from vidi.errors import DataError, ShapeError, UsageError
from vidi.images.account import Account
from vidi.images.decode import decode_image
from vidi.images.encode import encode_png
from vidi.prediction.predictor import Predictor
from vidi.workflows.interaction.stopping import until_stopped
from vidi.workflows.locate import LocateOutputs, keep_located, search_images
from vidi.workflows.locating import finder, locate_inputs
from vidi.workflows.requests.model_file import LocateRequest

TRUTH = np.array([[60, 30, 100, 70]])  # of `with_square()`


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return red_model(tmp_path_factory.mktemp("red") / "model.onnx")


def test_paths_pillow_images_and_arrays_have_the_same_boxes(predictor: Predictor, tmp_path: Path):
    image = with_square()
    (tmp_path / "a.png").write_bytes(encode_png(image))

    found = vidi.locate(predictor, [tmp_path / "a.png", Image.fromarray(image), image], fills=(0.5, 0.5))

    assert [one.path for one in found] == [str(tmp_path / "a.png"), "image 1", "image 2"]
    assert found[0].boxes == found[1].boxes == found[2].boxes
    (box,) = found[0].boxes
    assert (box.label, found[0].size) == ("red", (120, 160))
    assert overlaps(np.array([box.box]), TRUTH)[0, 0] > 0.6
    assert box.score > 0.5


def test_an_image_that_cannot_be_used_says_why_and_the_others_are_done(predictor: Predictor, tmp_path: Path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")

    bad, missing, good = vidi.locate(predictor, [tmp_path / "bad.jpg", tmp_path / "missing.jpg", with_square()])

    assert bad.error is not None
    assert (bad.boxes, bad.size, bad.error.code) == ((), None, "not-an-image")
    assert missing.error is not None
    assert len(good.boxes) == 1


def test_a_model_file_and_evidence_will_do(tmp_path: Path):
    red_model(tmp_path / "model.onnx", pools=True)
    image = with_square(side=80, corner=(20, 40))

    ((box,),) = (one.boxes for one in vidi.locate(tmp_path / "model.onnx", image[None], by="evidence"))

    assert overlaps(np.array([box.box]), np.array([[40, 20, 120, 100]]))[0, 0] > 0.6


def test_a_model_without_a_class_for_nothing_gives_one_box_for_its_answer(tmp_path: Path):
    model = red_model(tmp_path / "model.onnx", pools=True, other="grey")
    image = np.concatenate([with_square(side=80), with_square(side=80)], axis=1)

    (found,), (asked,) = vidi.locate(model, [image]), vidi.locate(model, [image], by="evidence")

    assert [box.label for box in found.boxes] == ["red"]
    assert len(asked.boxes) == 2


@pytest.mark.parametrize(("novelty", "count"), [(1e9, 1), (-1.0, 0)], ids=["known", "unknown"])
def test_an_unknown_image_has_no_box_by_its_answer(tmp_path: Path, novelty: float, count: int):
    metadata = replace(tiny_metadata(), classes=("disc", "square", "stripes"), verdict=limits(novelty=novelty))
    model = Predictor.load(written(tmp_path / "model.onnx", metadata).path)

    (found,) = vidi.locate(model, [draw("disc", size=(167, 155), seed=0)], least=0.01)

    assert len(found.boxes) == count


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"least": 0}, "--least 0 is out of range"),
        ({"fills": (0.5, 2.0)}, "--fills 2.0 is out of range"),
        ({"smallest": 1}, "--smallest 1 is too small"),
        ({"by": "magic"}, "--by magic is unknown"),
        ({"classes": ["blue"]}, "the model has no class 'blue'"),
    ],
)
def test_a_wish_that_makes_no_sense_is_named(predictor: Predictor, options: dict, said: str):
    with pytest.raises(UsageError, match=f"^{said}"):
        vidi.locate(predictor, [with_square()], **options)


def test_an_image_that_is_too_large_for_such_small_windows_does_not_stop_the_others(predictor: Predictor):
    huge, small = vidi.locate(predictor, [np.zeros((4_000, 6_000, 3), np.uint8), with_square()], smallest=4)

    assert huge.error is not None
    assert huge.error.code == "windows-too-small"
    assert "Use larger windows: --smallest" in huge.error.sentence
    assert small.boxes


def test_one_image_belongs_into_a_list(predictor: Predictor):
    with pytest.raises(ShapeError, match="one image"):
        vidi.locate(predictor, "photo.jpg")  # type: ignore[arg-type]


def search(predictor: Predictor, inputs: list[str], output: Path, *, images: bool = True) -> Account:
    """What `vidi locate --output` does."""
    wanted = LocateOutputs(output=output, images=images)
    return search_images(predictor, LocateRequest(), inputs, wanted=wanted, stream=io.StringIO())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """One image with a red square, one without, and one that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a<b.png").write_bytes(encode_png(with_square()))
    (folder / "empty.png").write_bytes(encode_png(np.full((90, 130, 3), 128, np.uint8)))
    (folder / "bad.png").write_bytes(b"<b>no image</b>")
    return folder


def test_the_output_folder_holds_drawn_images_and_a_page_about_all(predictor: Predictor, images: Path, tmp_path: Path):
    search(predictor, [str(images)], tmp_path / "boxes")

    page = (tmp_path / "boxes" / "boxes.html").read_text("utf-8").replace("<wbr>", "")
    assert sorted(path.name for path in (tmp_path / "boxes").iterdir()) == ["a_b.jpg", "boxes.html", "empty.jpg"]
    assert "1 box in 1 of 2 images." in page
    assert "a&lt;b.png" in page
    assert "a<b.png" not in page
    assert page.count("data:image/webp") == 2
    assert "bad.png: not-an-image" in page
    drawn = decode_image((tmp_path / "boxes" / "a_b.jpg").read_bytes()).image
    assert drawn.shape == (120, 160, 3)


def test_a_folder_without_images_is_refused_and_no_page_is_written(predictor: Predictor, tmp_path: Path):
    (tmp_path / "photos").mkdir()

    with pytest.raises(DataError, match="no image was found"):
        search(predictor, [str(tmp_path / "photos")], tmp_path / "boxes")
    assert not (tmp_path / "boxes").exists()


@pytest.mark.slow  # a search of its own
def test_without_images_nothing_is_drawn_and_the_page_holds_no_picture(
    predictor: Predictor, images: Path, tmp_path: Path
):
    search(predictor, [str(images)], tmp_path / "boxes", images=False)

    assert [path.name for path in (tmp_path / "boxes").iterdir()] == ["boxes.html"]
    page = (tmp_path / "boxes" / "boxes.html").read_text("utf-8")
    assert "data:image" not in page
    assert "<title>1 box: red" in page


@pytest.mark.slow  # searches twice
def test_a_second_search_replaces_what_the_first_drew_and_nothing_else(
    predictor: Predictor, images: Path, tmp_path: Path
):
    search(predictor, [str(images)], tmp_path / "boxes")
    search(predictor, [str(images)], tmp_path / "boxes")
    (tmp_path / "boxes" / "empty.jpg").write_bytes(b"somebody's own")

    with pytest.raises(UsageError, match=r"empty\.jpg already exists, and vidi did not write it"):
        search(predictor, [str(images)], tmp_path / "boxes")
    with pytest.raises(UsageError, match=r"is inside the input folder .*photos"):
        search(predictor, [str(images)], images / "boxes")


def test_an_interrupted_search_keeps_what_it_found_and_names_what_it_did_not_reach(predictor: Predictor, images: Path):
    found, account = find_paths([str(images / name) for name in ("a<b.png", "empty.png")]), Account()
    paths = found[0].paths

    located = locate_inputs(finder(predictor, LocateRequest()), found, account)
    reached = list(until_stopped(located, lambda: True, paths=paths, account=account))

    assert [one.path for one in reached] == paths[:1]
    assert [(entry.path, entry.code) for entry in account.set_aside] == [(paths[1], "not-reached")]


def test_located_images_show_themselves(predictor: Predictor, tmp_path: Path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")

    found, bad = vidi.locate(predictor, [with_square(), tmp_path / "bad.jpg"])

    assert "red" in found._repr_html_()
    assert found.plot().text.startswith("1 box: red")
    assert "refused" in bad._repr_html_()
    with pytest.raises(DataError, match="nothing to draw"):
        bad.plot()


def test_the_command_writes_everything_and_lists_the_bad_file(predictor: Predictor, images: Path, tmp_path: Path):
    words = ["locate", predictor.model.path, images, "--output", "boxes", "--coco", "coco.json", "--json"]

    done = vidi_command(*words, folder=tmp_path)

    document = json.loads(done.stdout)
    assert done.returncode == 6, done.stderr
    assert [len(one["boxes"]) for one in document["images"]] == [1, 0, 0]
    assert document["images"][1]["error"]["code"] == "not-an-image"
    assert len(json.loads((tmp_path / "coco.json").read_text("utf-8"))["annotations"]) == 1
    assert "page: boxes/boxes.html" in done.stderr


def test_no_image_is_kept_while_the_next_is_searched(tmp_path: Path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encode_png(with_square()))
    seen: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def find(image: np.ndarray) -> list[Located]:
        seen.append(weakref.ref(image))
        alive.append(sum(one() is not None for one in seen))
        return []

    groups, account = find_paths([str(tmp_path)]), Account()
    paths = [path for group in groups for path in group.paths]
    places = {path: tmp_path / f"drawn-{Path(path).stem}.jpg" for path in paths}
    found = locate_inputs(find, groups, account, keep_images=True)
    found = until_stopped(found, lambda: False, paths=paths, account=account)

    assert len([one.path for one in keep_located(found, [], places=places, with_images=True)]) == 3
    assert alive == [1, 1, 1]


PEAK = """
import io, sys
from pathlib import Path
from vidi.prediction.predictor import Predictor
from vidi.workflows.locate import LocateOutputs, search_images
from vidi.workflows.requests.model_file import LocateRequest

search_images(Predictor.load(sys.argv[1]), LocateRequest(), sys.argv[3:],
              wanted=LocateOutputs(output=Path(sys.argv[2])), stream=io.StringIO())
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.integration  # decodes, searches and draws four photographs of 12 megapixels
@pytest.mark.skipif(sys.platform != "linux", reason="system: Linux alone tells a process its peak")
def test_many_large_photographs_take_little_more_memory_than_one(predictor: Predictor, tmp_path: Path):
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path in paths:
        Image.fromarray(with_square(size=(3000, 4000), side=500)).save(path)

    def peak_of(some: list[Path]) -> int:  # in MiB
        words = [str(predictor.model.path), str(tmp_path / f"out-{len(some)}"), *map(str, some)]
        ended = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=True)
        return int(ended.stdout)

    assert peak_of(paths) - peak_of(paths[:1]) < 30  # one image has 34


def test_proposals_are_answered_by_the_model_from_python_and_in_a_terminal(tmp_path):
    model, detector = red_model(tmp_path / "model.onnx", pools=True), made_detector(tmp_path / "detector.onnx")
    image = grey_image()
    image[10:42, 10:42] = 255, 0, 0
    (tmp_path / "a.png").write_bytes(encode_png(image))

    (found,) = vidi.locate(model, [image], proposals=detector.model.path, only=["person"])
    (none,) = vidi.locate(model, [image], proposals=detector.model.path, only=["cat"])
    words = ("locate", "model.onnx", "a.png", "--proposals", "detector.onnx", "--only", "person,dog", "--json")
    written = json.loads(vidi_command(*words, folder=tmp_path).stdout)

    assert [box.label for box in found.boxes][:1] == ["red"]
    assert none.boxes == ()
    (row,) = written["images"]
    assert row["boxes"][0]["proposal"] == pytest.approx(found.boxes[0].proposal, abs=1e-4)
    assert row["boxes"][0]["verdict"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("locate", "model.onnx", "a.png", "--only", "person"), "--only is about --proposals"),
        (("locate", "model.onnx", "a.png", "--proposals", "model.onnx"), "model.onnx is no detector"),
        (("locate", "detector.onnx", "a.png", "--by", "windows"), "a detector finds boxes in its own way"),
    ],
)
def test_what_does_not_go_with_proposals_is_refused(tmp_path, words, said):
    red_model(tmp_path / "model.onnx")
    made_detector(tmp_path / "detector.onnx")
    (tmp_path / "a.png").write_bytes(encode_png(grey_image()))

    done = vidi_command(*words, folder=tmp_path)

    assert done.returncode == 2
    assert said in done.stderr
