"""The story of a run: its steps stand in the order that the README names, and only its end makes a finished model."""

import ast
from pathlib import Path

import pytest
from tests.draw import PARTS, class_folders

from vidi.model_file.read import read_model
from vidi.workflows import train as story
from vidi.workflows.interaction.events import Event, Events, Message
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.train import TrainRequest, train

STEPS = {  # the words of the story, and the function that does each
    "read": "read_and_plan",
    "check": "check_images",
    "split": "split_images",
    "train": "learn_above",
    "to ONNX": "publish_unfinished",
    "calibrate": "calibrate_model",
    "evaluate": "evaluate_model",
    "report": "report_run",
}


def test_train_names_its_steps_in_the_order_of_its_docstring():
    assert story.__doc__ == f"The whole story: {' → '.join(STEPS)}."

    bodies = {node.name: node for node in ast.parse(Path(story.__file__).read_text("utf-8")).body if _is_function(node)}
    calls = [
        (call.lineno, call.func.id)
        for name in ("train", "_run")
        for call in ast.walk(bodies[name])
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    ]
    last = {name: line for line, name in sorted(calls)}
    lines = [last[name] for name in STEPS.values()]
    assert lines == sorted(lines)


def _is_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef)


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
