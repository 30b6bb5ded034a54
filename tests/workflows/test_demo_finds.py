"""The demo's last part: the face is found where it is, and nothing where none is."""

import re

import numpy as np
import pytest

from vidi.boxes import overlaps
from vidi.data.known_sets.demo_images import CROPS, WITHOUT_A_FACE, read_photograph
from vidi.detection.locate import WindowSearch, locate
from vidi.detection.slide import open_windows
from vidi.prediction.predictor import Predictor
from vidi.workflows.demo import run_demo
from vidi.workflows.interaction.events import SILENCE


@pytest.mark.integration  # trains on real photographs, half a minute: what `make demo` does
def test_the_astronauts_face_is_found_and_none_where_there_is_none(tmp_path):
    lines = "\n".join(run_demo("faces", tmp_path, events=SILENCE))

    predictor = Predictor.load(tmp_path / "demo-faces")
    model, search = open_windows(predictor), WindowSearch(classes=(predictor.classes.index("face"),))
    astronaut = locate(read_photograph("astronaut"), model, predictor, search)
    crop = CROPS[0]
    truth = np.array([[crop.left, crop.top, crop.left + crop.side, crop.top + crop.side]])
    assert overlaps(np.array([astronaut[0].box]), truth)[0, 0] >= 0.4
    found = dict(line.split(maxsplit=1) for line in lines.splitlines() if line.endswith(("down", "nothing found")))
    assert set(found) == {"astronaut", *WITHOUT_A_FACE}
    assert sum(found[name].count(" % at ") for name in WITHOUT_A_FACE) <= 1
    right = re.search(r"(\d+) of 12 correct", lines)
    assert right is not None
    assert int(right[1]) >= 10
    assert (tmp_path / "demo-faces" / "found" / "astronaut.jpg").exists()
    assert "of 6 images." in (tmp_path / "demo-faces" / "found" / "boxes.html").read_text("utf-8")
    assert "Too good to be true?" in lines
