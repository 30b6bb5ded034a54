"""What is published when the data does not stay as it was while the network was trained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.draw import PARTS, class_folders

from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import DataError
from vidi.workflows.interaction.events import Event, Events, StepDone
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.train import resume, train

pytestmark = [
    pytest.mark.slow,  # trains, although only for seconds
    pytest.mark.usefixtures("undrawn"),
]


def meddler(run: Path, data: Path, action: Callable[[list[Path]], None]) -> Events:
    """Does something to the test images when training begins."""
    begun = False

    def tell(event: Event) -> None:
        nonlocal begun
        if isinstance(event, StepDone) and not begun:
            rows = read_assignments(run / "splits.csv")
            action(sorted(data / row.path for row in rows if row.part == "test"))
            begun = True

    return Events(tell)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=105, parts=PARTS)


def request(data: Path, run: Path) -> TrainRequest:
    changes = {"epochs": 1, "options.width": 0.25}
    return TrainRequest(data=DataRequest(source=str(data)), changes=changes, output=run)


@pytest.mark.fault
def test_test_images_that_vanish_or_change_are_named_once_in_the_account(data: Path, tmp_path: Path):
    def meddle(images: list[Path]) -> None:
        images[0].unlink()
        images[1].write_bytes(images[2].read_bytes())

    run = train(request(data, tmp_path / "run"), events=meddler(tmp_path / "run", data, meddle))

    assert run.test is not None
    metrics = json.loads((run.folder / "metrics.json").read_text())
    refused = {entry["code"]: entry["path"] for entry in metrics["account"]["refused"]}
    assert set(refused) == {"unreadable", "changed"}
    assert metrics["account"]["found"] == 210
    assert metrics["account"]["used"] == 208 == 210 - run.refused
    tested = sum(row.part == "test" for row in read_assignments(run.folder / "splits.csv"))
    assert run.test.image_count == tested - 2


@pytest.mark.fault
def test_a_test_part_that_is_gone_stops_the_run_which_can_be_finished_later(data: Path, tmp_path: Path):
    kept = tmp_path / "kept"
    kept.mkdir()

    def meddle(images: list[Path]) -> None:
        for path in images[:3]:
            shutil.move(path, kept / path.name)
        (data / "places.json").write_text(json.dumps([str(path) for path in images[:3]]))

    with pytest.raises(DataError, match=r"3 of \d+ test images are missing or changed") as caught:
        train(request(data, tmp_path / "run"), events=meddler(tmp_path / "run", data, meddle))
    assert caught.value.exit_code == 3

    for place in json.loads((data / "places.json").read_text()):
        shutil.move(kept / Path(place).name, place)
    (data / "places.json").unlink()
    assert resume(tmp_path / "run", finish=True).finished
