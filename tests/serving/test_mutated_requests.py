"""Bodies that are cut, changed and doubled at random, and some made by rule: refused with a reason, never a failure."""

import base64
import io
import json
import random
import time
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from tests.counts import count
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.serving.protocol.running import running
from vidi.serving.application import application, service_of
from vidi.serving.engine.models import open_served
from vidi.serving.engine.telemetry import RequestLog

IMAGE = encoded(draw("disc", size=(16, 16)), format="PNG")
TEXT = base64.b64encode(IMAGE).decode()
PIECES = (
    b"",
    b"\0",
    b"\r\n",
    b"--b",
    b'"',
    b"{",
    b"[",
    b"]",
    b"\\",
    b",",
    b"NaN",
    b"1e999",
    b"\xff",
    b"image",
    b"9" * 30,
)
BOUNDARY = "b"
HEAD = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
FORM = b"--b\r\n" + HEAD + IMAGE + b"\r\n--b\r\n" + HEAD + IMAGE + b"\r\n--b--\r\n"
TENSOR = {"name": "images", "shape": [1], "datatype": "BYTES"}
INFER = json.dumps({"inputs": [{**TENSOR, "parameters": {"binary_data_size": len(IMAGE) + 4}}]}).encode()
GIANT = io.BytesIO()  # 64 megapixels in 8 kB: within the limit of one image
Image.new("1", (8_000, 8_000)).save(GIANT, "PNG")
GIANTS = [GIANT.getvalue()] * 16
GIANT_TEXTS = [base64.b64encode(one).decode() for one in GIANTS]
GOOD: dict[str, tuple[str, dict[str, str], bytes]] = {
    "raw": ("/v1/predict", {"Content-Type": "image/png"}, IMAGE),
    "form": ("/v1/predict", {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, FORM),
    "json": ("/v1/predict", {"Content-Type": "application/json"}, json.dumps({"images": [TEXT, TEXT]}).encode()),
    "tensors in JSON": (
        "/v2/models/tiny/infer",
        {"Content-Type": "application/json"},
        json.dumps({"inputs": [{**TENSOR, "data": [TEXT]}], "outputs": [{"name": "label"}]}).encode(),
    ),
    "tensors behind JSON": (
        "/v2/models/tiny/infer",
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(INFER))},
        INFER + len(IMAGE).to_bytes(4, "little") + IMAGE,
    ),
}
MADE: dict[str, tuple[str, dict[str, str], bytes]] = {
    "ten thousand parts": (
        *GOOD["form"][:2],
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 10_000 + b"--b--",
    ),
    "ten thousand headers of a part": (*GOOD["form"][:2], b"--b\r\n" + b"a: b\r\n" * 10_000 + b"\r\n\r\n--b--"),
    "a form without an end": (*GOOD["form"][:2], FORM[:-8]),
    "a boundary of 300 signs": ("/v1/predict", {"Content-Type": f"multipart/form-data; boundary={'b' * 300}"}, FORM),
    "a form of giants": (
        *GOOD["form"][:2],
        b"--b\r\n" + b"\r\n--b\r\n".join(HEAD + one for one in GIANTS) + b"\r\n--b--",
    ),
    "JSON of giants": (*GOOD["json"][:2], json.dumps({"images": GIANT_TEXTS}).encode()),
    "tensors of giants": (
        *GOOD["tensors in JSON"][:2],
        json.dumps({"inputs": [{**TENSOR, "shape": [16], "data": GIANT_TEXTS}]}).encode(),
    ),
    "no boundary": ("/v1/predict", {"Content-Type": "multipart/form-data"}, FORM),
    "ten thousand lists": (*GOOD["json"][:2], b'{"images": ' + b"[" * 10_000),
    "ten thousand objects": (*GOOD["tensors in JSON"][:2], b'{"inputs":' * 10_000 + b"1" + b"}" * 10_000),
    "a doubled key": (*GOOD["json"][:2], b'{"images": [], "images": []}'),
    "NaN": (*GOOD["tensors in JSON"][:2], b'{"inputs": [NaN]}'),
    "half of a pair": (*GOOD["json"][:2], b'{"images": ["\\ud800"]}'),
    "bad padding": (*GOOD["json"][:2], b'{"images": ["aGVsbG8"]}'),
    "a negative shape": (
        *GOOD["tensors in JSON"][:2],
        b'{"inputs": [{"name":"images","shape":[-1],"datatype":"BYTES","data":[]}]}',
    ),
    "an overflowing shape": (
        *GOOD["tensors in JSON"][:2],
        b'{"inputs": [{"name":"images","shape":[4294967296,4294967296,4294967296,3],"datatype":"UINT8","data":[1]}]}',
    ),
    "a length of JSON beyond the body": ("/v2/models/tiny/infer", {"Inference-Header-Content-Length": "99999"}, INFER),
}
REFUSED = {400, 413, 415, 422}
SLOWEST = 0.2  # processor seconds of the server and its client together; usually under 0.05


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    model = tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx").path
    with (
        running(application(service_of([open_served("tiny", model)], log=RequestLog(len)))) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as one,
    ):
        yield one


def answer_to_good(client: httpx.Client) -> list[object]:
    """What each unchanged request is answered."""
    answers = [client.post(path, headers=headers, content=body) for path, headers, body in GOOD.values()]
    assert [answer.status_code for answer in answers] == [200] * len(GOOD), [answer.text[:300] for answer in answers]
    return [answer.content for answer in answers]


@pytest.mark.fault
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_what_is_malformed_by_rule_is_refused_with_its_reason_and_at_once(client: httpx.Client, made):
    path, headers, body = made
    began = time.process_time()

    answer = client.post(path, headers=headers, content=body)

    assert answer.status_code in REFUSED
    assert answer.json()["detail"]
    assert time.process_time() - began < SLOWEST


@pytest.mark.parametrize("method", ["QUERY", "PROPFIND", "DELETE"])
def test_a_method_that_a_path_does_not_take_is_refused_as_that(client: httpx.Client, method: str):
    answer = client.request(method, "/v1/predict")

    assert (answer.status_code, answer.json()["code"], answer.headers["allow"]) == (405, "method-not-allowed", "POST")


@pytest.mark.fault
@pytest.mark.parametrize("kind", GOOD)
def test_what_is_changed_at_random_is_answered_or_refused_and_the_next_good_request_is_right(
    client: httpx.Client, kind
):
    chance = random.Random(kind)
    path, headers, body = GOOD[kind]
    before = answer_to_good(client)
    odd = []

    for _ in range(count(small=40, faults=400, soak=4_000)):
        changed = bytearray(body)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(changed) + 1)
            changed[place : place + chance.choice((0, 1, 7, len(changed)))] = chance.choice(PIECES)
        answer = client.post(path, headers=headers, content=bytes(changed))
        if answer.status_code not in {200, *REFUSED}:
            odd.append((answer.status_code, answer.text[:200], bytes(changed)))

    assert odd == []
    assert answer_to_good(client) == before
