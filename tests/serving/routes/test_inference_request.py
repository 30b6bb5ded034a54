"""The body of a request comes back as what was written into it; whatever else is sent is a problem with its reason."""

import base64
import json
import time

import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st

from vidi.images.limits import DecodeOptions, Limits
from vidi.serving.problems import PROBLEMS, Problem
from vidi.serving.routes.inference_request import (
    InferRequest,
    RequestedOutput,
    decode_request,
    read_header_length,
)
from vidi.serving.settings import Settings

LIMITS = Settings(images=16, decode=DecodeOptions(limits=Limits(pixels=1_000)))
PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 2, 3], "data": [1, 2, 3, 4, 5, 6]}
FILES = {"name": "images", "datatype": "BYTES", "shape": [1], "data": ["aGVsbG8="]}
FORMS = ("flat", "nested", "binary")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
parameters = st.dictionaries(
    texts.filter(lambda name: name != "binary_data_output" and not name.startswith("shared_memory_")),
    texts | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    max_size=3,
)
outputs = st.lists(
    st.builds(
        RequestedOutput,
        name=texts,
        binary=st.none() | st.booleans(),
        class_count=st.integers(0, 9),
    ),
    max_size=4,
    unique_by=lambda output: output.name,
).map(tuple)
tensors = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32)).map(
    lambda drawn: np.random.default_rng(drawn[3]).integers(0, 256, (*drawn[:3], 3), np.uint8)
)
files = st.lists(st.binary(max_size=20), min_size=1, max_size=16).map(tuple)
requests = st.builds(
    InferRequest,
    images=tensors | files,
    outputs=outputs,
    binary=st.booleans(),
    id=st.none() | texts,
    parameters=parameters,
)


def encoded(request: InferRequest, form: str, *, column: bool = False) -> tuple[bytes, int | None]:
    """The body of a request, and how much of it is JSON."""
    tensor, binary = encoded_images(request.images, form, column=column)
    document = {"inputs": [tensor], "parameters": {**request.parameters, "binary_data_output": request.binary}}
    if request.id is not None:
        document["id"] = request.id
    if request.outputs:
        document["outputs"] = [
            {
                "name": output.name,
                "parameters": {
                    **({} if output.binary is None else {"binary_data": output.binary}),
                    "classification": output.class_count,
                },
            }
            for output in request.outputs
        ]
    head = json.dumps(document).encode()
    return head + binary, len(head) if form == "binary" else None


def encoded_images(images, form: str, *, column: bool) -> tuple[dict[str, object], bytes]:
    """The input of a request, and what stands behind the JSON."""
    if isinstance(images, np.ndarray):
        tensor = {"name": "images", "datatype": "UINT8", "shape": list(images.shape)}
        data, binary = (images if form == "nested" else images.ravel()).tolist(), images.tobytes()
    else:
        tensor = {"name": "images", "datatype": "BYTES", "shape": [len(images), 1] if column else [len(images)]}
        words = [base64.b64encode(one).decode() for one in images]
        data = [[word] for word in words] if column and form == "nested" else words
        binary = b"".join(len(one).to_bytes(4, "little") + one for one in images)
    if form == "binary":
        return {**tensor, "parameters": {"binary_data_size": len(binary)}}, binary
    return {**tensor, "data": data}, b""


def same_images(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


@given(requests, st.sampled_from(FORMS), st.booleans())
def test_a_request_comes_back_as_it_was_written(request: InferRequest, form: str, column: bool):
    body, header_length = encoded(request, form, column=column)

    read = decode_request(body, header_length, LIMITS)

    assert same_images(read.images, request.images)
    assert (read.outputs, read.binary, read.id, read.parameters) == (
        request.outputs,
        request.binary,
        request.id,
        request.parameters,
    )


@given(tensors | files.filter(lambda data: b"" not in data))
def test_the_stock_clients_requests_are_read(images):
    if isinstance(images, np.ndarray):
        sent = triton.InferInput("images", list(images.shape), "UINT8").set_data_from_numpy(images)
    else:
        sent = triton.InferInput("images", [len(images)], "BYTES").set_data_from_numpy(np.array(images, object))
    body, length = triton.InferenceServerClient.generate_request_body(
        [sent],
        outputs=[triton.InferRequestedOutput("probabilities", class_count=2)],
        request_id="a",
        parameters={"b": 1},
    )

    read = decode_request(body, length, LIMITS)

    assert same_images(read.images, images)
    assert read.outputs == (RequestedOutput(name="probabilities", binary=True, class_count=2),)
    assert (read.id, read.parameters) == ("a", {"b": 1})


@given(st.binary(max_size=200), st.none() | st.integers(0, 200))
def test_any_bytes_are_a_request_or_a_problem(body: bytes, header_length: int | None):
    assert is_request_or_problem(body, None if header_length is None else min(header_length, len(body)))


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["images", "UINT8", "BYTES", "aa==", ""]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["name", "shape", "datatype", "data", "parameters", "binary_data_size", "classification"]),
            inner,
        )
    ),
)


@pytest.mark.slow  # over half a second of processor time: many drawn requests
@given(
    requests,
    st.sampled_from(FORMS),
    st.lists(st.tuples(st.sampled_from(["name", "shape", "datatype", "data", "parameters"]), odd), max_size=2),
    st.dictionaries(st.sampled_from(["inputs", "outputs", "id", "parameters"]), odd, max_size=1),
    st.integers(-3, 3),
)
def test_a_request_with_odd_values_is_a_request_or_a_problem(request, form, of_input, of_document, moved):
    body, length = encoded(request, form)
    length = len(body) if length is None else length
    document = json.loads(body[:length])
    document["inputs"][0].update(of_input)
    head = json.dumps({**document, **of_document}).encode()
    body = head + body[length:]

    assert is_request_or_problem(body, max(0, min(len(head) + moved, len(body))))


def is_request_or_problem(body: bytes, length: int | None) -> bool:
    """Whether a body becomes a request within the limits, or a problem of the client with its cause."""
    try:
        read = decode_request(body, length, LIMITS)
    except Problem as problem:
        return 400 <= PROBLEMS[problem.code].status < 500 and bool(problem.cause)
    return 1 <= len(read.images) <= LIMITS.images and len({one.name for one in read.outputs}) == len(read.outputs)


def refusal_of(document: object, binary: bytes = b"", *, header: bool = False) -> Problem:
    head = document if isinstance(document, bytes) else json.dumps(document).encode()
    began = time.process_time()
    with pytest.raises(Problem) as refusal:
        decode_request(head + binary, len(head) if header or binary else None, LIMITS)
    assert time.process_time() - began < 0.5
    return refusal.value


def pixels(**changes: object) -> dict[str, object]:
    return {"inputs": [{**PIXELS, **changes}]}


def binary_pixels(size: object) -> dict[str, object]:
    tensor = {name: value for name, value in PIXELS.items() if name != "data"}
    return {"inputs": [{**tensor, "parameters": {"binary_data_size": size}}]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"\xff", "This is not JSON: JSON is malformed: invalid character (byte 0)"),
        (b"{", "not JSON"),
        ([], "Expected `object`, got `array`"),
        ({}, "Object missing required field `inputs`"),
        ({"inputs": []}, "Expected `array` of length >= 1 - at `$.inputs`"),
        ({"inputs": [PIXELS, PIXELS]}, "Expected `array` of length <= 1 - at `$.inputs`"),
        ({"inputs": [1]}, "Expected `object`, got `int` - at `$.inputs[0]`"),
        (pixels(name="image"), "Invalid enum value 'image' - at `$.inputs[0].name`"),
        (pixels(name=None), "Expected `str`, got `null` - at `$.inputs[0].name`"),
        (pixels(datatype="FP32"), "Invalid value 'FP32' - at `$.inputs[0].datatype`"),
        (pixels(datatype=8), "Expected `str` - at `$.inputs[0].datatype`"),
        (pixels(shape=None), "Expected `array`, got `null` - at `$.inputs[0].shape`"),
        (pixels(shape=[1, 1, 2]), "Expected `array` of length 4 - at `$.inputs[0].shape`"),
        (pixels(shape=[1, 2, 1, 1, 3]), "Invalid enum value 1 - at `$.inputs[0].shape[3]`"),
        (pixels(shape=[1, 1, 2, 4]), "Invalid enum value 4 - at `$.inputs[0].shape[3]`"),
        (pixels(shape=[1, 0, 2, 3]), "Expected `int` >= 1 - at `$.inputs[0].shape[1]`"),
        (pixels(shape=[0, 1, 2, 3]), "Expected `int` >= 1 - at `$.inputs[0].shape[0]`"),
        (pixels(shape=[1, -1, -2, 3]), "Expected `int` >= 1 - at `$.inputs[0].shape[1]`"),
        (pixels(shape=[1, 2**64, 2, 3]), "Expected `int` <= 2147483647 - at `$.inputs[0].shape[1]`"),
        (pixels(shape=[True, 1, 2, 3]), "Expected `int`, got `bool` - at `$.inputs[0].shape[0]`"),
        (pixels(shape=[1.0, 1, 2, 3]), "Expected `int`, got `float` - at `$.inputs[0].shape[0]`"),
        (pixels(shape=["1", 1, 2, 3]), "Expected `int`, got `str` - at `$.inputs[0].shape[0]`"),
        (pixels(shape=[1] * 100_000), "Invalid enum value 1 - at `$.inputs[0].shape[3]`"),
        (pixels(shape=[1, 2, 2, 3]), "holds 6 values; its shape [1, 2, 2, 3] states 12"),
        (pixels(data=[[[[1, 2, 3]], [[4, 5, 6]]]]), "nested otherwise"),
        (pixels(data=[[[[1, 2, 3], [4, 5]]]]), "nested otherwise"),
        (pixels(data=[[1, 2, 3, 4, 5, 6]]), "nested otherwise"),
        (pixels(data=[1, 2, 3, 4, 5, [6]]), "The data of `images` is nested otherwise than its shape [1, 1, 2, 3]"),
        (pixels(data=[1, 2, 3, 4, 5, True]), "Expected `int | array`, got `bool` - at `$.inputs[0].data[5]`"),
        (pixels(data=[1, 2, 3, 4, 5, 6.0]), "Expected `int | array`, got `float` - at `$.inputs[0].data[5]`"),
        (pixels(data=[1, 2, 3, 4, 5, 256]), "Expected `int` <= 255 - at `$.inputs[0].data[5]`"),
        (pixels(data=[1, 2, 3, 4, 5, -1]), "Expected `int` >= 0 - at `$.inputs[0].data[5]`"),
        (pixels(data=[1, 2, 3, 4, 5, 10**4000]), "Expected `int` <= 255 - at `$.inputs[0].data[5]`"),
        (pixels(data={}), "Expected `array`, got `object` - at `$.inputs[0].data`"),
        (pixels(parameters={"shared_memory_region": "a"}), "Shared memory is not offered"),
        (pixels(parameters=[]), "Expected `object | null`, got `array` - at `$.inputs[0].parameters`"),
        (
            pixels(parameters={"a": {}}),
            "Expected `bool | int | float | str`, got `object` - at `$.inputs[0].parameters[...]`",
        ),
        (
            pixels(parameters={"a": None}),
            "Expected `bool | int | float | str`, got `null` - at `$.inputs[0].parameters[...]`",
        ),
        (pixels(parameters={"a": "x" * 2_000}), "Expected `str` of length <= 1024 - at `$.inputs[0].parameters[...]`"),
        (
            pixels(parameters={str(number): 1 for number in range(99)}),
            "Expected `object` of length <= 64 - at `$.inputs[0].parameters`",
        ),
        (binary_pixels(6), "without the header Inference-Header-Content-Length"),
        ({"inputs": [{**FILES, "shape": [1, 2]}]}, "The shape of `images` is [1, 2], not (images,) or (images, 1)"),
        ({"inputs": [{**FILES, "shape": []}]}, "Expected `array` of length >= 1 - at `$.inputs[0].shape`"),
        ({"inputs": [{**FILES, "shape": [2]}]}, "holds 1 values; its shape [2] states 2"),
        ({"inputs": [{**FILES, "data": ["é"]}]}, "Invalid base64 encoded string - at `$.inputs[0].data[0]`"),
        ({"inputs": [{**FILES, "data": ["aGVsbG8"]}]}, "Invalid base64 encoded string - at `$.inputs[0].data[0]`"),
        ({"inputs": [{**FILES, "data": [1]}]}, "Expected `bytes | array`, got `int` - at `$.inputs[0].data[0]`"),
        ({"inputs": [PIXELS], "id": 7}, "Expected `str | null`, got `int` - at `$.id`"),
        ({"inputs": [PIXELS], "id": "x" * 2_000}, "Expected `str` of length <= 1024 - at `$.id`"),
        (
            {"inputs": [PIXELS], "parameters": {"binary_data_output": 1}},
            "The parameters: Expected `bool`, got `int` - at `$.binary_data_output`",
        ),
        ({"inputs": [PIXELS], "outputs": {}}, "Expected `array | null`, got `object` - at `$.outputs`"),
        ({"inputs": [PIXELS], "outputs": [{"name": 1}]}, "Expected `str`, got `int` - at `$.outputs[0].name`"),
        ({"inputs": [PIXELS], "outputs": [{"name": "a"}, {"name": "a"}]}, "names an output twice"),
        ({"inputs": [PIXELS], "outputs": [{"name": "a"}] * 1_000}, "Expected `array` of length <= 64 - at `$.outputs`"),
        (
            {"inputs": [PIXELS], "outputs": [{"name": "a", "parameters": {"shared_memory_region": "a"}}]},
            "Shared memory is not offered",
        ),
        (
            {"inputs": [PIXELS], "outputs": [{"name": "a", "parameters": {"classification": True}}]},
            "The parameters: Expected `int`, got `bool` - at `$.classification`",
        ),
        (
            {"inputs": [PIXELS], "outputs": [{"name": "a", "parameters": {"classification": -1}}]},
            "The parameters: Expected `int` >= 0 - at `$.classification`",
        ),
        (
            {"inputs": [PIXELS], "outputs": [{"name": "a", "parameters": {"binary_data": "yes"}}]},
            "The parameters: Expected `bool | null`, got `str` - at `$.binary_data`",
        ),
    ],
)
def test_a_malformed_request_is_refused_with_what_is_wrong_and_where(document: object, said: str):
    refusal = refusal_of(document)

    assert refusal.status in (400, 422)
    assert said in refusal.cause


@pytest.mark.parametrize(
    ("document", "binary", "said"),
    [
        (binary_pixels(6), b"12345", "`binary_data_size` is 6; 5 bytes follow the JSON."),
        (binary_pixels(6), b"1234567", "`binary_data_size` is 6; 7 bytes follow"),
        (binary_pixels(0), b"", "has 0 bytes; its shape [1, 1, 2, 3] states 6"),
        (binary_pixels(5), b"12345", "has 5 bytes; its shape [1, 1, 2, 3] states 6"),
        (binary_pixels(-6), b"123456", "The parameters: Expected `int` >= 0 - at `$.binary_data_size`"),
        (binary_pixels(6.0), b"123456", "The parameters: Expected `int | null`, got `float` - at `$.binary_data_size`"),
        (binary_pixels(True), b"1", "The parameters: Expected `int | null`, got `bool` - at `$.binary_data_size`"),
        (binary_pixels("6"), b"123456", "The parameters: Expected `int | null`, got `str` - at `$.binary_data_size`"),
        (binary_pixels(2**70), b"123456", "The parameters: Expected `int` <= 2147483647 - at `$.binary_data_size`"),
        (pixels(), b"123456", "6 bytes follow the JSON, and `images` has no `binary_data_size`"),
        (pixels(parameters={"binary_data_size": 6}), b"123456", "both `data` and `binary_data_size`"),
    ],
)
def test_sizes_that_lie_are_refused(document: object, binary: bytes, said: str):
    refusal = refusal_of(document, binary, header=True)

    assert refusal.status in (400, 422)
    assert said in refusal.cause


@pytest.mark.parametrize(
    ("binary", "count", "said"),
    [
        (b"\x05\0\0\0abc", 1, "Element 0 of `images` ends 2 bytes behind the tensor."),
        (b"\xff\xff\xff\xffabc", 1, "ends 4,294,967,292 bytes behind"),
        (b"\x01\0\0", 1, "ends 1 bytes behind"),
        (b"\x01\0\0\0a", 2, "holds 1 elements; its shape states 2"),
        (b"\0\0\0\0" * 1_000, 2, "holds more than the 2 elements"),
        (b"", 1, "holds 0 elements"),
    ],
)
def test_elements_that_lie_about_their_length_are_refused(binary: bytes, count: int, said: str):
    tensor = {"name": "images", "datatype": "BYTES", "shape": [count], "parameters": {"binary_data_size": len(binary)}}

    refusal = refusal_of({"inputs": [tensor]}, binary, header=True)

    assert refusal.status == 400
    assert said in refusal.cause


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (pixels(shape=[17, 1, 2, 3]), "invalid-input"),
        ({"inputs": [{**FILES, "shape": [2**31 - 1]}]}, "invalid-input"),
        (pixels(shape=[1, 100, 11, 3]), "unusable-image"),
        (pixels(shape=[1, 2**31 - 1, 2**31 - 1, 3]), "unusable-image"),
    ],
)
def test_what_is_well_formed_but_not_taken_has_a_code_of_its_own(document: object, code: str):
    assert refusal_of(document).code == code


@pytest.mark.parametrize("values", [["1", "1"], ["-1"], ["+1"], ["1.0"], [""], ["0x1"], ["²"], ["9" * 40], ["11"]])
def test_a_header_length_that_is_none_is_refused(values: list[str]):
    with pytest.raises(Problem, match="Inference-Header-Content-Length"):
        read_header_length(values, 10)
