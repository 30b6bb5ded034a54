"""The documented minimum, two classes of two images: every path ends in a model that claims nothing from nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.draw import class_folders, draw
from tests.workflows.heard import Heard

from vidi.errors import DataError
from vidi.estimator import ImageClassifier
from vidi.evaluation.run_files import LABEL_ERRORS
from vidi.groups import split_learnable_folds
from vidi.model_file.read import read_model
from vidi.training.heads.linear import HEADS, choose_head
from vidi.training.heads.one_vs_rest import choose_one_vs_rest
from vidi.workflows.check import CheckRequest, check
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.train import TrainRequest, train

pytestmark = pytest.mark.usefixtures("undrawn")

SCRATCH = {"network": "compact", "changes": {"epochs": 1, "options.width": 0.25}}
HEAD = {"pretrained": "lite0", "changes": {"freeze": True, "image_size": (64, 64)}}


@pytest.fixture(scope="module")
def least(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("least"), each=2)


@pytest.mark.slow  # trains, although only for seconds
@pytest.mark.parametrize(
    "how",
    [
        SCRATCH,
        HEAD,
        {**SCRATCH, "ensemble": 2},
    ],
    ids=["scratch", "head", "ensemble"],
)
def test_two_classes_of_two_images_become_a_model_that_guarantees_nothing(least, tmp_path, how):
    run = train(TrainRequest(data=DataRequest(source=str(least)), output=tmp_path / "run", **how))

    assert run.finished
    metadata = read_model(run.folder).metadata
    assert metadata.calibration is None or metadata.calibration.method == "none"
    assert metadata.verdict.sure is None
    assert metadata.verdict.candidate is None
    assert not (run.folder / LABEL_ERRORS).exists()
    assert "NaN" not in (run.folder / "metrics.json").read_text("utf-8")


@pytest.mark.slow
def test_with_one_image_left_of_a_class_no_label_is_accused_and_no_curve_drawn(tmp_path):
    data = class_folders(tmp_path / "data", kinds=("disc",), each=36, size=(16, 16))
    class_folders(data, kinds=("stripes",), each=2, size=(16, 16))
    heard = Heard()

    run = train(TrainRequest(data=DataRequest(source=str(data)), output=tmp_path / "run", **HEAD), events=heard.events)

    assert any("skipped the label-error" in sentence for sentence in heard.sentences)
    assert not (run.folder / LABEL_ERRORS).exists()
    assert "learning_curve" not in json.loads((run.folder / "metrics.json").read_text("utf-8"))


@pytest.mark.slow  # checks several data sets
def test_images_that_cannot_be_read_do_not_count_towards_the_minimum(tmp_path):
    data = class_folders(tmp_path / "data", each=3)
    for number in range(2):
        (data / "stripes" / f"{number:03}.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")

    with pytest.raises(DataError, match="usable and independent: disc 3, stripes 1"):
        train(TrainRequest(data=DataRequest(source=str(data)), output=tmp_path / "run", **SCRATCH))
    kinds = [finding.kind for finding in check(CheckRequest(data=DataRequest(source=str(data)))).findings]
    assert kinds[0] == "too-few-to-learn"


def test_copies_count_as_one_towards_the_minimum(tmp_path):
    data = class_folders(tmp_path / "data", each=2)
    (data / "stripes" / "001.png").write_bytes((data / "stripes" / "000.png").read_bytes())

    with pytest.raises(DataError, match="usable and independent: disc 2, stripes 1"):
        train(TrainRequest(data=DataRequest(source=str(data)), output=tmp_path / "run", **SCRATCH))


def test_a_check_of_one_class_alone_says_that_nothing_can_be_learned(tmp_path):
    data = class_folders(tmp_path, kinds=("disc",), each=6)

    (problem, *_) = check(CheckRequest(data=DataRequest(source=str(data)))).findings

    assert problem.severity == "problem"
    assert problem.sentence.endswith("at least 2 classes with 2 usable, independent images each; there are disc (6)")


@pytest.mark.parametrize("each", [1, 2])
def test_a_classifier_of_two_images_a_class_is_fitted(each):
    images = [draw(kind, seed=number) for kind in ("disc", "stripes") for number in range(each)]
    fitted = ImageClassifier(epochs=1, image_size=16).fit(images, ["disc"] * each + ["stripes"] * each)
    assert fitted.predict_proba(images).sum(axis=1) == pytest.approx(1)


def test_no_class_is_held_out_whole():
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    groups = ["a", "b", "c", "d", "e", "f", "f"]

    fold_of = split_learnable_folds(groups, labels=labels, seed=3)

    assert (fold_of[:5] >= 0).all()
    assert fold_of[5:].tolist() == [-1, -1]  # one group: nobody else knows its class
    for fold in range(5):
        assert set(labels[fold_of != fold]) == {0, 1, 2}
    assert (split_learnable_folds(["a", "b", "c"], labels=np.array([0, 0, 1]), seed=3) == -1).all()


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_a_head_is_fitted_where_nothing_can_be_held_out_or_told_apart(kind):
    features = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    nobody = np.full(2, -1)
    for labels in (np.array([0, 1]), np.array([1, 1])):
        chosen = choose_head(features, labels, fold_of=nobody, class_count=2, kinds=(kind,))
        assert len(chosen.held_out) == len(chosen.trials) == 0
        assert (chosen.head.logits(features).argmax(axis=1) == labels).all()
    several = choose_one_vs_rest(features, np.eye(2, dtype=bool), fold_of=nobody)
    assert np.isfinite(several.head.logits(features)).all()
