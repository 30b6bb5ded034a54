"""Requests that schemathesis makes from the OpenAPI document: each answer is as it describes."""

from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as described

from tests.counts import count
from tests.model_file.tiny import tiny_model
from tests.serving.protocol.running import running
from vidi.log.store import PredictionLog
from vidi.log.writer import FeedbackWriter, LogWriter
from vidi.serving.application import application, service_of
from vidi.serving.engine.models import open_served
from vidi.serving.engine.recording import Recorder
from vidi.serving.engine.telemetry import RequestLog

DELIBERATE = 503  # a server that is busy or not ready says so
TOO_LARGE = 413  # a refusal too, which schemathesis does not count as one
CHECKS = [
    not_a_server_error,
    described.allow_header_conformance,
    described.content_type_conformance,
    described.negative_data_rejection,
    described.response_headers_conformance,
    described.response_schema_conformance,
    described.status_code_conformance,
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    models = [open_served(name, tiny_model(folder / f"{name}.onnx").path) for name in ("tiny", "other-1.0")]
    service = service_of(models, log=RequestLog(len))
    with (
        PredictionLog.open(str(folder / "log.sqlite")) as log,
        LogWriter(log) as writer,
        FeedbackWriter(log) as feedback,
    ):
        service.recorder = Recorder(writer, feedback)
        with running(application(service)) as server:
            yield f"http://127.0.0.1:{server.port}"


def ask(operation: schemathesis.APIOperation, mode: schemathesis.GenerationMode, address: str, most: int) -> Counter:
    """How often each status answered generated requests; a wrong answer is a failure that names its request."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=most,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        response = case.call(base_url=address)
        statuses[response.status_code] += 1
        left_out = {DELIBERATE: not_a_server_error, TOO_LARGE: described.negative_data_rejection}
        case.validate_response(
            response, checks=[check for check in CHECKS if check is not left_out.get(response.status_code)]
        )

    try:
        send()
    except Unsatisfiable:  # nothing can be wrong with an operation that takes nothing
        assert mode is schemathesis.GenerationMode.NEGATIVE
    return statuses


@pytest.mark.fault
@pytest.mark.slow  # makes hundreds of requests
@pytest.mark.parametrize("mode", schemathesis.GenerationMode, ids=lambda mode: mode.value)
def test_requests_made_from_the_description_are_answered_as_it_says(mode: schemathesis.GenerationMode, address: str):
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    schema.validate()
    most = count(small=4, faults=100, soak=1_000)  # of each operation

    asked = {found.ok().label: ask(found.ok(), mode, address, most) for found in schema.get_all_operations()}

    assert sum(map(Counter.total, asked.values())) >= count(small=40, faults=1_000, soak=10_000)
    predict = asked["POST /v1/predict"]
    assert set(predict) <= {200, 400, 404, 413, 415, 422, DELIBERATE}
    assert predict[200 if mode is schemathesis.GenerationMode.POSITIVE else 422] >= most // 2
