"""`vidi demo loop`: with real processes, from the first training to the way back."""

from pathlib import Path

import numpy as np
import pytest

from vidi.registry import find_name, read_history
from vidi.workflows.demo_loop import LoopSize, other_paper, run_loop, write_digits
from vidi.workflows.interaction.events import SILENCE

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = LoopSize(learned=200, as_before=60, changed=120, later=20, labels=12, epochs=4)


def test_no_image_of_the_month_was_learned_from(tmp_path: Path):
    month = write_digits(tmp_path, SMALL)

    learned = {path.read_bytes() for path in tmp_path.glob("*/*.png")}
    assert len(learned) == 200
    assert not learned & {one.data for one in (*month.as_before, *month.changed, *month.later)}
    assert (len(month.as_before), len(month.changed), len(month.later)) == (60, 120, 20)


def test_the_other_paper_is_white_and_keeps_the_writing():
    image = np.array([[0, 128, 255]], np.uint8)

    assert other_paper(image).tolist() == [[255, 157, 60]]


@pytest.mark.integration  # trains twice, and starts a server
def test_the_loop_notices_labels_retrains_and_decides(tmp_path: Path):
    lines = "\n".join(run_loop(tmp_path, events=SILENCE, size=SMALL))

    folder = tmp_path / "demo-loop"
    assert "4. Notice: vidi monitor. Alarm:" in lines
    assert (folder / "alarm.html").exists()
    assert (folder / "second" / "gate.html").exists()
    history = [one.action for one in read_history(folder / "models" / "digits")]
    current = find_name(folder / "models", "digits").current
    assert current.version == "1"  # the champion stayed, or the demo went back to it
    assert history in (["promote", "keep"], ["promote", "promote", "rollback"])
