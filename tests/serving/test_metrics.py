"""The counters of images say the same of every interface: the model's verdict, or that an image was refused."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_metadata, tiny_model, tiny_network
from tests.serving.asked import Client, asked
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model
from vidi.serving.application import application, service_of
from vidi.serving.engine.models import open_served
from vidi.serving.engine.telemetry import RequestLog

GOOD, OTHER = (encoded(draw(kind, size=(16, 16))) for kind in ("disc", "stripes"))
BAD = b"no image"
IMAGES = {"content": GOOD, "headers": {"Content-Type": "image/png"}}


def judged(sure: float) -> ModelMetadata:
    """A model that is sure of what it gives a probability of at least `sure`."""
    return ModelMetadata(
        classes=tiny_metadata().classes,
        framing=tiny_metadata().framing,
        verdict=VerdictLimits(
            basis="calibration", image_count=100, max_error=0.05, level=0.9, coverage=0.9, sure=sure, candidate=0.1
        ),
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("models")
    models = [open_served("plain", tiny_model(folder / "plain.onnx").path)]
    for name, sure in (("always", 0.0), ("never", 1.0)):
        path = write_model(folder / f"{name}.onnx", tiny_network(), judged(sure)).path
        models.append(open_served(name, path))
    with asked(application(service_of(models, log=RequestLog(len)))) as one:
        yield one


@pytest.fixture
def counted(client: Client) -> "Counted":
    return Counted(client)


class Counted:
    """How many images were counted since it was made, by model and outcome."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._before = self._read()

    def _read(self) -> dict[tuple[str, str], float]:
        pattern = r'^vidi_images_total\{model="(.*)",outcome="(.*)"\} (.*)$'
        found = re.findall(pattern, self._client.get("/metrics").text, re.MULTILINE)
        return {(model, outcome): float(number) for model, outcome, number in found}

    def since(self) -> dict[tuple[str, str], int]:
        """All that is not zero."""
        grown = {key: int(number - self._before[key]) for key, number in self._read().items()}
        return {key: number for key, number in grown.items() if number}


def infer(client: Client, model: str, files: list[bytes], *outputs: str) -> httpx.Response:
    """Ask by the Open Inference Protocol."""
    size = sum(len(data) + 4 for data in files)
    tensor = {"name": "images", "shape": [len(files)], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    head = httpx.Request("POST", "http://a", json={"inputs": [tensor], "outputs": [{"name": one} for one in outputs]})
    body = head.content + b"".join(len(data).to_bytes(4, "little") + data for data in files)
    headers = {"Inference-Header-Content-Length": str(len(head.content))}
    return client.post(f"/v2/models/{model}/infer", content=body, headers=headers)


def test_every_outcome_of_a_model_stands_at_zero_before_it_has_answered(client: Client):
    text = client.get("/metrics").text

    outcomes = {model: set(re.findall(rf'model="{model}",outcome="(\w+)"', text)) for model in ("plain", "never")}
    assert outcomes == {"plain": {"answered", "refused"}, "never": {"sure", "unsure", "unknown", "refused"}}


@pytest.mark.parametrize(("model", "outcome"), [("plain", "answered"), ("always", "sure"), ("never", "unsure")])
def test_both_interfaces_count_the_models_verdict(client: Client, counted: Counted, model: str, outcome: str):
    assert client.post(f"/v1/predict?model={model}", **IMAGES).status_code == 200
    assert infer(client, model, [GOOD, OTHER], "verdict" if model != "plain" else "label").status_code == 200

    assert counted.since() == {(model, outcome): 3}


def test_a_verdict_is_counted_also_where_a_request_asks_for_other_outputs_alone(client: Client, counted: Counted):
    answer = infer(client, "always", [GOOD, OTHER], "embedding")

    assert [one["name"] for one in answer.json()["outputs"]] == ["embedding"]
    assert counted.since() == {("always", "sure"): 2}


def test_an_image_that_cannot_be_used_is_counted_as_refused(client: Client, counted: Counted):
    alone = client.post("/v1/predict?model=always", content=BAD, headers=IMAGES["headers"])
    several = client.post("/v1/predict?model=always", files=[("image", ("a", one)) for one in (GOOD, BAD, BAD)])

    assert (alone.status_code, several.status_code) == (422, 200)
    assert counted.since() == {("always", "refused"): 3, ("always", "sure"): 1}


def test_where_a_whole_request_is_refused_only_the_images_at_fault_are_counted(client: Client, counted: Counted):
    assert infer(client, "always", [GOOD, BAD, OTHER, BAD]).status_code == 422

    assert counted.since() == {("always", "refused"): 2}
