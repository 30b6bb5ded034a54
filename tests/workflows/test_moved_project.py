"""A project that was moved: its runs find their images, labels and corrections where they are now."""

import shutil
from pathlib import Path

import pytest
from tests.draw import class_folders, draw, encoded

from vidi.data.labels import LabelsFile, Opinion, labels_beside
from vidi.data.project import Project, find_moved, make_project, read_project
from vidi.files import digest_of
from vidi.registry import find_name
from vidi.workflows.interaction.run_folder import read_request, run_of, write_request
from vidi.workflows.promote import promote
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.in_use import PromoteRequest, RetrainRequest, ReviewRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.retrain import retrain
from vidi.workflows.review import open_review
from vidi.workflows.train import train

SMALL = {"epochs": 3, "options.width": 0.25}


def moved(project: Project, folder: Path) -> Project:
    """The project elsewhere; nothing is left where it was."""
    folder.parent.mkdir(parents=True)
    shutil.move(project.folder, folder)
    return read_project(folder)


def asked_of(project: Project) -> DataRequest:
    """What a run of a project asks for when it is read again."""
    run = project.runs / "first"
    run.mkdir(parents=True)
    write_request(run, {"data": DataRequest(source=str(project.folder)).as_dict()})
    elsewhere = moved(project, project.folder.parent / "moved" / "plants")
    return DataRequest.from_dict(read_request(elsewhere.runs / "first")["data"])


def test_a_project_s_own_images_are_found_in_it(tmp_path: Path):
    project = make_project(tmp_path, "plants")

    assert asked_of(project).source == str(tmp_path / "moved" / "plants" / "images")


def test_images_in_place_are_read_where_they_are_whatever_the_project_is_called(tmp_path: Path):
    data = class_folders(tmp_path / "images", each=2)
    project = make_project(tmp_path, "plants", source=data)

    assert asked_of(project).source == str(data)


def test_what_was_kept_in_the_project_is_found_by_the_end_of_its_path(tmp_path: Path):
    project = make_project(tmp_path, "plants", source=class_folders(tmp_path / "photos", each=2))
    kept = project.folder / "runs" / "first" / "feedback-1"
    kept.mkdir(parents=True)
    elsewhere = moved(project, tmp_path / "moved" / "plants")

    assert find_moved(str(kept), elsewhere) == str(elsewhere.runs / "first" / "feedback-1")
    assert find_moved(str(tmp_path / "gone"), elsewhere) == str(tmp_path / "gone")
    assert find_moved("s3://bucket/images", elsewhere) == "s3://bucket/images"


@pytest.mark.slow  # trains twice, although only for seconds
@pytest.mark.usefixtures("undrawn")
def test_report_review_and_retraining_of_a_moved_project_work(tmp_path: Path):
    project = make_project(tmp_path, "plants")
    class_folders(project.source, each=20)
    data = DataRequest(source=str(project.folder))
    train(TrainRequest(data=data, network="compact", changes=SMALL, output=project.runs / "first"))
    promote(PromoteRequest(model=project.runs / "first", name="plants"), root=project.models)
    elsewhere = moved(project, tmp_path / "moved" / "plants")
    run = elsewhere.runs / "first"
    image = encoded(draw("disc", size=(60, 80), seed=99))
    (elsewhere.source / "new.png").write_bytes(image)
    said = {"key": "0" * 32, "digest": digest_of(image), "at": 1.0, "source": "ann", "via": "review"}
    LabelsFile(labels_beside(elsewhere.source)).add(
        [Opinion(**said, kind="label", labels=(next(elsewhere.source.glob("*/")).name,), path="new.png")]
    )

    page = rebuild_report(run)
    with open_review(ReviewRequest(source=str(run)), environment={}) as desk:
        classes = desk.source.classes
    done = retrain(RetrainRequest(run=run, output=elsewhere.runs / "second"), root=elsewhere.models)

    assert page.is_file()
    assert len(classes) > 1
    assert done.document is not None
    assert done.document["champion"]["name"] == "plants"
    assert run_of(find_name(elsewhere.models, "plants"), remedy="").parent == elsewhere.runs
