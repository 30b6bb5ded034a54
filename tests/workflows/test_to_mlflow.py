"""Runs in MLflow: a local database read back by sqlite3, and servers that go away."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.draw import PARTS, class_folders
from tests.workflows.heard import Heard

if find_spec("mlflow") is None:  # to import it takes seconds, in every worker
    pytest.skip("needs:mlflow-skinny", allow_module_level=True)

from vidi.errors import ResourceError
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.tracking.to_mlflow import open_run
from vidi.workflows.tracking.tracker import TrackedRun, read_noted
from vidi.workflows.train import Run, train

pytestmark = [
    pytest.mark.slow,  # importing MLflow and making its database takes seconds
    pytest.mark.usefixtures("undrawn"),
    pytest.mark.filterwarnings("ignore"),  # MLflow uses deprecated calls of its own packages
]


@pytest.fixture(scope="module", autouse=True)
def _no_address() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data"), kinds=("disc", "stripes"), each=30, parts=PARTS)


def request(data: Path, output: Path) -> TrainRequest:
    changes = {"epochs": 2, "options.width": 0.25}
    return TrainRequest(data=DataRequest(source=str(data)), changes=changes, output=output, track="mlflow")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(request(data, tmp_path_factory.mktemp("runs") / "discs"))


def rows(run: Run, question: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(run.folder.parent / "mlflow.db") as database:
        return database.execute(question).fetchall()


def artifacts(run: Run) -> Path:
    (folder,) = (run.folder.parent / "mlartifacts").glob("*/artifacts")
    return folder


def test_parameters_figures_and_files_are_in_the_database_beside_the_run(run: Run):
    assert rows(run, "select name, status from runs") == [("discs", "FINISHED")]
    parameters = dict(rows(run, "select key, value from params"))
    assert (parameters["epochs"], parameters["options.width"], parameters["network"]) == ("2", "0.25", "compact")
    assert parameters["precision"] in ("float32", "bfloat16")
    written = (run.folder / "results.csv").read_text("utf-8").splitlines()[1:]
    told = rows(run, "select step, value from metrics where key = 'train_loss' order by step")
    assert [(int(line.split(",")[0]), float(line.split(",")[1])) for line in written] == [
        (step, pytest.approx(value, rel=1e-5)) for step, value in told
    ]
    ((accuracy,),) = rows(run, "select value from metrics where key = 'test.accuracy'")
    assert accuracy == pytest.approx(run.test.accuracy.value, abs=1e-6)
    assert {path.name for path in artifacts(run).iterdir()} >= {"report.html", "recipe.toml", "model.onnx"}
    assert (artifacts(run) / "model.onnx").read_bytes() == (run.folder / "model.onnx").read_bytes()


def test_a_resumed_run_goes_on_in_the_same_run_of_mlflow(run: Run):
    noted = read_noted(run.folder, "mlflow")
    again = open_run(TrackedRun(folder=run.folder, facts={}, noted=noted))
    assert again.noted == noted
    again.parameters({"epochs": "3", "network": "compact"})  # MLflow lets no parameter change
    again.close("finished")
    assert rows(run, "select value from tags where key = 'now.epochs'") == [("3",)]


class FailingServer(BaseHTTPRequestHandler):
    """As much of MLflow's server as opening a run takes; it answers nothing about metrics."""

    def do_GET(self) -> None:
        answers = {
            "health": {},
            "get-by-name": {"experiment": {"experiment_id": "1", "name": "vidi"}},
            "get": {"run": RUN},
        }
        self._answer(answers.get(self.path.partition("?")[0].rpartition("/")[2]))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"run": RUN, "run_info": RUN["info"]} if self.path.endswith("runs/create") else None)

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(404 if document is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *given: object) -> None:
        pass


INFO = {"run_id": "7", "run_uuid": "7", "experiment_id": "1", "status": "RUNNING", "lifecycle_stage": "active"}
RUN = {"info": {**INFO, "start_time": 1, "artifact_uri": "file:///nowhere"}, "data": {}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), FailingServer) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{listening.server_port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield address
        listening.shutdown()


def test_a_server_that_fails_while_it_trains_costs_the_tracking_alone(server: str, data: Path, tmp_path: Path):
    heard = Heard()
    run = train(request(data, tmp_path / "run"), events=heard.events)
    assert run.finished
    assert read_noted(run.folder, "mlflow") == {"run": "7", "address": server}
    assert sum(sentence.startswith("warning: MLflow takes no more") for sentence in heard.sentences) == 1


def test_a_database_that_cannot_be_opened_is_said_before_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "taken").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/taken/m.db")
    with pytest.raises(ResourceError, match="MLflow at sqlite:"):
        train(request(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_file_in_place_of_the_database_is_named_with_a_remedy(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_text("this is no database of SQLite, but a note of some length " * 9)
    with pytest.raises(ResourceError, match=r"mlflow\.db cannot be opened: .*not a database") as raised:
        train(request(data, tmp_path / "run"))
    assert raised.value.remedy == "Move that file away, set MLFLOW_TRACKING_URI, or leave out --track."


def test_another_request_keeps_the_name_of_the_tracker(data: Path, tmp_path: Path):
    asked = request(data, tmp_path / "run")
    assert replace(TrainRequest.from_dict(asked.as_dict()), output=asked.output) == asked
