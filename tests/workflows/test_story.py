"""The story of a run: its steps stand in the order that the README names, and only its end makes a finished model."""

import ast
from pathlib import Path

import pytest
from tests.draw import PARTS, class_folders

from vidi.model_file.read import read_model
from vidi.workflows.interaction.events import Event, Events, Message
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.run import stages
from vidi.workflows.train import TrainRequest, train

STEPS = {  # the words of the story, and the function that does each
    "check": "split_images",  # it decodes and checks first
    "split": "split_images",
    "learn": "learn",
    "to ONNX": "publish_unfinished",
    "calibrate": "calibrate_model",
    "test": "evaluate_model",
    "report": "report_run",
}


def test_a_run_calls_its_stages_in_the_order_of_its_docstring():
    assert stages.__doc__ == f"The stages of a run in order: {' → '.join(STEPS)}."

    body = ast.parse(Path(stages.__file__).read_text("utf-8")).body
    (run,) = (node for node in body if isinstance(node, ast.FunctionDef) and node.name == "run_stages")
    calls = [
        (call.lineno, call.func.id)
        for call in ast.walk(run)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    ]
    last = {name: line for line, name in sorted(calls)}
    lines = [last[name] for name in STEPS.values()]
    assert lines == sorted(lines)


@pytest.mark.slow("trains, although only for seconds")
@pytest.mark.usefixtures("undrawn")
def test_until_its_figures_are_written_a_run_holds_one_model_file_and_that_says_it_is_unfinished(tmp_path: Path):
    data = class_folders(tmp_path / "data", kinds=("disc", "stripes"), each=30, parts=PARTS)
    request = TrainRequest(
        data=DataRequest(source=str(data)), changes={"epochs": 1, "options.width": 0.25}, output=tmp_path / "run"
    )
    folder = tmp_path / "run"
    seen: list[tuple[bool, bool]] = []  # is the model file marked unfinished, are there figures

    def look(event: Event) -> None:
        if not isinstance(event, Message):
            return
        if (folder / "model.onnx").exists():
            is_unfinished = read_model(folder).metadata.unfinished is not None
            seen.append((is_unfinished, (folder / "metrics.json").exists()))
        assert [path.name for path in folder.glob("*.onnx")] in ([], ["model.onnx"])

    run = train(request, events=Events(look))

    assert seen
    assert all(is_unfinished or has_figures for is_unfinished, has_figures in seen)
    assert read_model(run.folder).metadata.unfinished is None
