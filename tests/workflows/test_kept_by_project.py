"""What was corrected in the app is read with images in place by every verb that takes their project."""

from pathlib import Path

import pytest
from tests.draw import class_folders, draw, encoded

from vidi.app.corrections import keep_image
from vidi.data.joined import is_feedback_path
from vidi.data.labels import Kind
from vidi.data.project import Project, make_project
from vidi.data.splitting.split_plan import read_assignments
from vidi.workflows.check import check
from vidi.workflows.interaction.events import SILENCE
from vidi.workflows.interaction.request import open_store, read_source
from vidi.workflows.requests.data import CheckRequest, DataRequest
from vidi.workflows.requests.in_use import RetrainRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retrain import retrain
from vidi.workflows.train import train

SMALL = {"epochs": 3, "options.width": 0.25}


def corrected(project: Project, *seeds: int, kind: Kind = "label", label: str = "disc") -> None:
    """Say of images, as in Try, what they show."""
    for seed in seeds:
        image = encoded(draw("disc", size=(60, 80), seed=1000 + seed))
        keep_image(project, image, (kind, (label,) if kind == "label" else ()), name=f"{seed}.png", who="ann")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose images are read in place."""
    return make_project(tmp_path / "projects", "kinds", source=class_folders(tmp_path / "photos", each=20))


def test_a_project_is_read_with_its_corrections_and_its_images_alone_without(project: Project):
    corrected(project, 1, 2)

    whole = read_source(DataRequest(source=str(project.folder)))
    alone = read_source(DataRequest(source=str(project.source)))

    kept = [image for image in whole.images if is_feedback_path(image.path)]
    assert len(whole.images) == len(alone.images) + 2
    assert [[whole.classes[one] for one in image.labels] for image in kept] == [["disc"]] * 2
    assert whole.store.read(kept[0].path) == next((project.folder / "images").glob("1-*")).read_bytes()


def test_a_verb_that_takes_a_project_sees_them_and_can_show_them(project: Project):
    corrected(project, 1)
    asked = DataRequest(source=str(project.folder))

    found = check(CheckRequest(data=asked))
    store = open_store(asked, SILENCE)

    path = next((project.folder / "images").glob("1-*"))
    assert found.dataset.account.used == 41
    assert store is not None
    assert store.read(f"feedback-1:{path.name}") == path.read_bytes()


def test_an_image_of_none_of_the_classes_is_kept_and_nothing_is_learned_from_it(project: Project):
    corrected(project, 1, kind="none")

    dataset = read_source(DataRequest(source=str(project.folder)))

    assert not any(is_feedback_path(image.path) for image in dataset.images)
    assert sum(is_feedback_path(entry.path) for entry in dataset.account.set_aside) == 1


@pytest.mark.parametrize(
    ("asked", "label", "classes", "count"),
    [
        ({"positive": "disc"}, "stripes", ("disc", "not disc"), 1),
        ({"classes": ("disc", "stripes")}, "square", ("disc", "stripes"), 0),
    ],
)
def test_corrections_take_the_classes_that_are_asked_for(
    project: Project, asked: dict, label: str, classes, count: int
):
    corrected(project, 1, label=label)

    dataset = read_source(DataRequest(source=str(project.folder), **asked))

    assert dataset.classes == classes
    kept = [image for image in dataset.images if is_feedback_path(image.path)]
    assert [[dataset.classes[one] for one in image.labels] for image in kept] == [["not disc"]] * count


@pytest.mark.slow  # trains twice, although only for seconds
@pytest.mark.usefixtures("undrawn")
def test_a_fresh_training_learns_from_corrections_and_a_retraining_keeps_its_test_part(project: Project):
    corrected(project, *range(12))
    data = DataRequest(source=str(project.folder))
    train(TrainRequest(data=data, network="compact", changes=SMALL, output=project.runs / "first"))
    corrected(project, 20, 21)

    done = retrain(RetrainRequest(run=project.runs / "first", output=project.runs / "second"), root=project.models)

    first, second = (read_assignments(project.runs / name / "splits.csv") for name in ("first", "second"))
    kept = [row for row in first if is_feedback_path(row.path)]
    assert len(kept) == 12
    assert "train" in {row.part for row in kept}
    assert {row.digest for row in first if row.part == "test"} == {row.digest for row in second if row.part == "test"}
    assert sum(is_feedback_path(row.path) for row in second) == 14
    assert done.document is not None
