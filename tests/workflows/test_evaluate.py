"""A model file scored on data it has not seen, and the report made again."""

import csv
import json
import re
import shutil
from importlib.util import find_spec

import pytest
from tests.draw import class_folders, draw, encoded
from tests.model_file.tiny import with_provenance
from tests.report.pages import Page
from tests.report.runs import KINDS, add_model
from tests.workflows.heard import Heard

from vidi.data.dataset import Dataset, LabelledImage
from vidi.data.splitting.split_plan import Assignment, write_assignments
from vidi.errors import DataError, UsageError
from vidi.evaluation.document import Metrics
from vidi.evaluation.uses import FILE, digest_of_images
from vidi.files import digest_of_file
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.read import read_model
from vidi.model_file.write import set_metadata
from vidi.report.words.sentences import first_line
from vidi.workflows.evaluate import evaluate
from vidi.workflows.evaluating.learned import parts_to_score
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import EvaluateRequest
from vidi.workflows.train import Run

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Each test works in a folder of its own: `evaluations/` appears there."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "run").mkdir()
    return add_model(tmp_path / "run")


def scored(model, data, **options):
    of_data = {name: options.pop(name) for name in ("parts", "names") if name in options}
    return evaluate(EvaluateRequest(model=model, data=DataRequest(source=str(data), **of_data), **options))


def metrics_of(evaluated):
    return json.loads((evaluated.folder / "metrics.json").read_text())


def test_evaluation_leaves_figures_answers_and_a_page(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=4)

    evaluated = scored(model, data)

    assert evaluated.folder.as_posix() == "evaluations/shapes"
    assert metrics_of(evaluated)["test"]["images"] == 12
    assert len((evaluated.folder / "predictions.csv").read_text().splitlines()) == 13
    assert "12 images" in Page((evaluated.folder / "report.html").read_text()).text


@pytest.mark.slow  # evaluates twice
@pytest.mark.skipif(find_spec("openvino") is None, reason="needs:openvino")
def test_another_engine_gives_the_same_labels_and_verdicts_and_is_written_down(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=2)

    usual, other = scored(model, data), scored(model, data, engine="openvino")

    rows = [
        [(row["path"], row["predicted"], row.get("verdict")) for row in csv.DictReader(lines.splitlines())]
        for lines in ((one.folder / "predictions.csv").read_text() for one in (usual, other))
    ]
    assert rows[0] == rows[1]
    written = [json.loads((one.folder / "evaluation.json").read_text())["engine"] for one in (usual, other)]
    assert written == ["onnxruntime", "openvino"]


@pytest.mark.slow  # evaluates twice
def test_second_evaluation_gets_a_folder_of_its_own_and_is_counted(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=2)
    write_assignments(model / "splits.csv", [])

    first, second = scored(model, data), scored(model, data)

    assert [one.folder.name for one in (first, second)] == ["shapes", "shapes-2"]
    assert [one.test_uses for one in (first, second)] == [1, 2]
    assert len((model / FILE).read_text().splitlines()) == 2


@pytest.mark.slow  # draws all figures
def test_class_that_the_data_lacks_has_no_data(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=("disc", "square"), each=3)

    evaluated = scored(model, data)

    per_class = {row["class"]: row for row in metrics_of(evaluated)["test"]["per_class"]}
    assert evaluated.match.absent == ("stripes",)
    assert per_class["stripes"]["recall"]["value"] is None


def test_class_that_the_model_lacks_is_counted_and_left_out_of_accuracy(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=(*KINDS, "noise"), each=3)

    heard = Heard()

    request = EvaluateRequest(model=model, data=DataRequest(source=str(data)))
    metrics = metrics_of(evaluate(request, events=heard.events))

    assert metrics["test"]["images"] == 9
    assert metrics["foreign"]["classes"] == {"noise": 3}
    assert heard.sentences == ["3 images skipped: the model does not know their class (noise 3)"]


@pytest.mark.slow  # draws all figures
def test_renamed_class_is_scored(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=("noise", "square"), each=3)

    metrics = metrics_of(scored(model, data, names="noise=disc"))

    assert {row["class"]: row["images"] for row in metrics["test"]["per_class"]} == {
        "disc": 3,
        "square": 3,
        "stripes": 0,
    }


def test_no_class_in_common_stops_before_anything_is_written(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=("noise",), each=3)

    with pytest.raises(DataError, match="no class in common"):
        scored(model, data)

    assert not (tmp_path / "evaluations").exists()


def test_images_that_the_model_learned_from_are_set_aside(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=3)
    learned = data / "disc" / "000.png"
    row = Assignment(digest_of_file(learned), "disc/000.png", "", "train", "v1:70-10-0-20:seed0")
    write_assignments(model / "splits.csv", [row])

    evaluated = scored(model, data)

    assert metrics_of(evaluated)["test"]["images"] == 8
    assert [(entry.path, entry.code) for entry in evaluated.account.set_aside] == [("disc/000.png", "learned-from")]


@pytest.mark.slow  # evaluates twice
def test_a_copied_model_file_still_knows_what_it_learned_from(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=3)
    copy = copy_that_knows(model, tmp_path, [data / "disc" / "000.png", data / "square" / "001.png"])

    evaluated = scored(copy, data)

    assert sorted(entry.path for entry in evaluated.account.set_aside) == ["disc/000.png", "square/001.png"]
    assert metrics_of(evaluated)["learned_from"] == {"unseen": True, "set_aside": 2}
    assert "of 7 held-out images correctly" in (evaluated.folder / "report.html").read_text("utf-8")


def test_where_a_model_may_have_learned_from_the_images_the_first_line_says_so(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=3)

    evaluated = scored(model, data)

    metrics = metrics_of(evaluated)
    assert metrics["learned_from"] == {"unseen": False, "set_aside": 0}
    assert first_line(Metrics.from_json(metrics)).endswith("It may have learned from some of these images.")
    page = (evaluated.folder / "report.html").read_text("utf-8")
    assert "of 9 images correctly" in page
    assert "held-out images correctly" not in page


@pytest.mark.slow  # evaluates twice
def test_the_test_part_of_an_older_file_is_known_to_be_unseen(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=3)
    tested = digest_of_images(digest_of_file(path) for path in data.rglob("*.png"))
    path = model / "model.onnx"
    set_metadata(
        path,
        with_provenance(read_model(path).metadata, data={"test_digest": tested}),
    )

    assert metrics_of(scored(model, data))["learned_from"]["unseen"] is True


def copy_that_knows(model, tmp_path, files):
    """A copy of the model file, outside its run folder, that learned from these files."""
    copy = tmp_path / "copy.onnx"
    shutil.copyfile(model / "model.onnx", copy)
    known = DigestFilter.of(digest_of_file(path) for path in files)
    set_metadata(
        copy,
        with_provenance(read_model(copy).metadata, learned_from=(known,)),
    )
    return copy


def test_data_of_which_everything_was_learned_from_is_refused(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=1)
    rows = [Assignment(digest_of_file(path), path.name, "", "train", "v1") for path in data.rglob("*.png")]
    write_assignments(model / "splits.csv", rows)

    with pytest.raises(DataError, match="no image is left to score: 3 were used in training"):
        scored(model, data)


@pytest.mark.slow  # draws all figures
def test_bad_image_is_refused_and_the_rest_is_scored(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=2)
    (data / "disc" / "broken.png").write_bytes(encoded(draw("disc"))[:90])

    evaluated = scored(model, data)

    assert (evaluated.account.used, len(evaluated.account.refused)) == (6, 1)
    assert metrics_of(evaluated)["account"]["refused"][0]["path"] == "disc/broken.png"


def test_an_evaluation_never_replaces_the_run_that_it_scores(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=3)
    before = (model / "model.onnx").read_bytes()

    with pytest.raises(UsageError, match=r"holds a run \(model\.onnx\)"):
        scored(model, data, output=model, overwrite=True)
    with pytest.raises(UsageError, match=r"holds a run"):  # said before any work: there is no such data
        scored(model, tmp_path / "nowhere", output=model)

    assert (model / "model.onnx").read_bytes() == before


@pytest.mark.slow  # draws all figures
def test_extra_part_is_reported_by_itself(model, tmp_path):
    for part in ("train", "validation", "test"):
        class_folders(tmp_path / "shapes" / part, kinds=KINDS, each=2)

    metrics = metrics_of(scored(model, tmp_path / "shapes", parts={"validation": "test", "test": "extra"}))

    assert (metrics["test"]["images"], metrics["extra"]["images"]) == (6, 6)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((None, None), {0: "test", 1: "test"}),
        (("train", "test"), {1: "test"}),
        (("train", "validation"), {1: "test"}),
        (("train", "train"), {0: "test", 1: "test"}),
        (("extra", "test"), {0: "extra", 1: "test"}),
    ],
)
def test_parts_that_are_scored(parts, expected):
    images = tuple(LabelledImage(f"{row}.png", frozenset({0}), part=part) for row, part in enumerate(parts))
    dataset = Dataset("shapes", "shapes", "class-folders", ("disc",), images, store=None)

    assert parts_to_score(dataset, {}) == expected


@pytest.mark.slow  # writes two reports
def test_report_is_made_again_with_its_pictures(model, tmp_path):
    evaluated = scored(model, class_folders(tmp_path / "shapes", kinds=KINDS, each=2))
    before = (evaluated.folder / "report.html").read_bytes()
    (evaluated.folder / "report.html").unlink()

    path = rebuild_report(evaluated.folder)

    assert path.read_bytes() == before
    assert b"data:image/webp" in before


@pytest.mark.slow  # writes two reports
def test_report_without_its_data_names_the_images(model, tmp_path):
    evaluated = scored(model, class_folders(tmp_path / "shapes", kinds=KINDS, each=2))
    shutil.rmtree(tmp_path / "shapes")

    page = Page(rebuild_report(evaluated.folder).read_text())

    assert "could not be read" in page.text


@pytest.mark.slow  # writes two reports
def test_run_without_pictures_stays_without_pictures(model, tmp_path):
    evaluated = scored(model, class_folders(tmp_path / "shapes", kinds=KINDS, each=2), images=False)

    assert not Page((evaluated.folder / "report.html").read_text()).all("img")
    assert not Page(rebuild_report(evaluated.folder).read_text()).all("img")


def test_folder_that_is_no_run_has_no_report(tmp_path):
    with pytest.raises(UsageError, match="neither a run nor an evaluation"):
        rebuild_report(tmp_path)


@pytest.mark.slow  # over a second of processor time
def test_parts_of_the_images_and_worse_images_are_asked_about(model, tmp_path):
    class_folders(tmp_path / "shapes", kinds=KINDS, each=16, size=(16, 16))
    rows = [
        f"shapes/{kind}/{number:03}.png,{kind},{('day', 'night')[number % 2]}" for kind in KINDS for number in range(16)
    ]
    (tmp_path / "shapes.csv").write_text("\n".join(["path,label,light", *rows]))

    evaluated = scored(model, tmp_path / "shapes.csv", robustness=True)
    quick = scored(model, tmp_path / "shapes.csv")

    metrics = metrics_of(evaluated)
    page = Page((evaluated.folder / "report.html").read_text()).text
    assert {one["name"]: one["accuracy"]["n"] for one in metrics["slices"] if one["by"] == "light"} == {
        "day": 24,
        "night": 24,
    }
    assert [len(curve["accuracy"]) for curve in metrics["robustness"]["curves"]] == [5] * 9
    assert metrics["robustness"]["clean"]["value"] == metrics["test"]["accuracy"]["value"]
    assert "Does it hold for every kind of image?" in page
    assert "Does it hold for worse images?" in page
    assert metrics_of(quick)["robustness"] == {"left_out": "off"}
    assert metrics_of(quick)["slices"] == metrics["slices"]


@pytest.mark.slow  # draws all figures
def test_an_evaluation_and_a_run_print_accuracy_interval_and_n(model, tmp_path):
    data = class_folders(tmp_path / "shapes", kinds=KINDS, each=4)
    evaluated = scored(model, data)
    test = evaluated.figures["test"]
    right = round(test.accuracy.value * 12)

    run = Run(folder=tmp_path, finished=True, stopped_by="plan", test=test)
    unfinished = Run(folder=tmp_path, finished=False, stopped_by="user", test=None)

    about = rf"accuracy {100 * right / 12:.1f} % \(95 % interval \d+\.\d % to \d+\.\d %, 12 images\)"
    assert re.fullmatch(rf"<Evaluated evaluations/shapes: {about}>", str(evaluated))
    assert re.fullmatch(rf"<Run {tmp_path}: {about}>", str(run))
    assert str(unfinished) == f"<Run {tmp_path}: unfinished, stopped by user>"
