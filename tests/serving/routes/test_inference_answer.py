"""Outputs are those of the network and vidi's own answers, written so that the stock client reads the same numbers."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.model_file.tiny import tiny_metadata
from vidi.model_file.limits import VerdictLimits
from vidi.model_file.walk import ValueInfo
from vidi.prediction.prediction import decide
from vidi.serving.bodies import MOST_VALUES
from vidi.serving.problems import Problem
from vidi.serving.routes.inference_answer import (
    InferResponse,
    choose_outputs,
    encode_response,
    make_tensors,
    network_outputs,
    offered_outputs,
    rank_classes,
)
from vidi.serving.routes.inference_request import InferRequest, OutputTensor, RequestedOutput, texts

PLAIN = tiny_metadata()
LIMITS = VerdictLimits(
    basis="calibration",
    image_count=100,
    max_error=0.05,
    level=0.9,
    sure=0.6,
    sure_images=50,
    sure_errors=0,
    error_bound=0.05,
    coverage=0.9,
    candidate=0.3,
    novelty=2.0,
)
JUDGED = replace(PLAIN, verdict=LIMITS)
GRAPH = (
    ValueInfo("probabilities", "FLOAT", ("batch", 3)),
    ValueInfo("embedding", "FLOAT", ("batch", 4)),
    ValueInfo("novelty", "FLOAT", ("batch",)),
)
ROWS = {
    "probabilities": np.array([[0.7, 0.2, 0.1], [0.35, 0.25, 0.4], [0.9, 0.05, 0.05]], np.float32),
    "embedding": np.ones((3, 4), np.float32),
    "novelty": np.array([0.5, 1.0, 3.0], np.float32),
}


def asked(*names: str) -> InferRequest:
    return InferRequest(images=(b"",), outputs=tuple(RequestedOutput(name=name) for name in names))


def read_by_client(response: InferResponse) -> triton.InferResult:
    return triton.InferenceServerClient.parse_response_body(response.body, header_length=response.header_length)


values = st.one_of(
    arrays.arrays(
        np.float32,
        arrays.array_shapes(max_dims=4, max_side=4),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5).map(texts),
)


@given(st.lists(st.tuples(values, st.booleans()), min_size=1, max_size=4), st.none() | st.text(max_size=5))
def test_the_stock_client_reads_every_tensor_bit_for_bit_in_both_forms(given_values, request_id):
    tensors = [OutputTensor(f"{number}", value, binary) for number, (value, binary) in enumerate(given_values)]

    response = encode_response(
        InferRequest(images=(b"",), id=request_id, parameters={"a": 1}), tensors, model_name="m", model_version="v"
    )
    read = read_by_client(response)

    document = read.get_response()
    assert (document["model_name"], document["model_version"], document.get("id")) == ("m", "v", request_id)
    assert document["parameters"] == {"a": 1}
    for tensor in tensors:
        found = read.as_numpy(tensor.name)
        assert found.shape == tensor.values.shape
        if tensor.datatype == "FP32":
            assert found.tobytes() == tensor.values.tobytes()
        else:
            assert [str(one, "utf-8") if isinstance(one, bytes) else one for one in found.flat] == [
                one.decode() for one in tensor.values.flat
            ]


def test_a_model_offers_the_answers_that_it_has():
    plain, judged = offered_outputs(PLAIN, GRAPH), offered_outputs(JUDGED, GRAPH)

    assert [(one.name, one.datatype, one.shape) for one in plain] == [
        ("probabilities", "FP32", (-1, 3)),
        ("embedding", "FP32", (-1, 4)),
        ("novelty", "FP32", (-1,)),
        ("label", "BYTES", (-1,)),
    ]
    assert [one.name for one in judged[len(plain) :]] == ["verdict", "candidates"]


def test_label_verdict_and_candidates_are_those_of_the_prediction():
    request = asked("verdict", "label", "candidates")
    offered = offered_outputs(JUDGED, GRAPH)
    chosen = choose_outputs(request, offered)

    tensors = make_tensors(request, chosen, ROWS, JUDGED)

    predictions = [
        decide(row, JUDGED, novelty=float(strange))
        for row, strange in zip(ROWS["probabilities"], ROWS["novelty"], strict=True)
    ]
    assert network_outputs(chosen, offered) == ("probabilities", "novelty")
    verdicts, labels, candidates = ([one.decode() for one in tensor.values] for tensor in tensors)
    assert verdicts == ["sure", "unsure", "unknown"] == [one.verdict for one in predictions]
    assert labels == [one.label for one in predictions]
    assert [json.loads(one) for one in candidates] == [list(one.candidates) for one in predictions]


def test_the_network_gives_what_is_asked_for_and_what_verdicts_are_made_of():
    offered = offered_outputs(JUDGED, GRAPH)

    assert network_outputs(choose_outputs(asked("label"), offered), offered) == ("probabilities", "novelty")
    assert network_outputs(choose_outputs(asked("embedding"), offered), offered) == (
        "probabilities",
        "embedding",
        "novelty",
    )


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (RequestedOutput(name="logits"), "has no output 'logits'"),
        (RequestedOutput(name="verdict"), "has no output 'verdict'"),
        (RequestedOutput(name="embedding", class_count=1), "`classification` is asked for of 'embedding'"),
    ],
)
def test_an_output_that_the_model_does_not_have_is_refused(output: RequestedOutput, said: str):
    with pytest.raises(Problem) as refusal:
        choose_outputs(InferRequest(images=(b"",), outputs=(output,)), offered_outputs(PLAIN, GRAPH))

    assert said in refusal.value.cause
    assert refusal.value.status == 400


@given(
    arrays.arrays(np.float32, (3, 5), elements=st.floats(0, 1, width=32)),
    st.integers(1, 9),
)
def test_ranked_classes_hold_value_index_and_label_highest_first(probabilities, count):
    classes = ["a", "b:c", "é", "d", "e"]

    ranked = rank_classes(probabilities, count, classes)

    assert ranked.shape == (3, min(count, 5))
    for row, found in zip(probabilities, ranked, strict=True):
        parts = [one.decode().split(":", 2) for one in found]
        assert all(np.float32(value) == row[int(index)] for value, index, _ in parts)
        assert all(label == classes[int(index)] for _, index, label in parts)
        assert all(float(one[0]) >= float(other[0]) for one, other in pairwise(parts))
        assert np.float32(parts[0][0]) == row.max()


def test_a_class_name_that_utf8_cannot_hold_is_escaped():
    assert texts(["caf\udce9"]).tolist() == [b"caf\\udce9"]


@pytest.mark.parametrize(
    "value", [np.array([1.0, np.nan], np.float32), np.zeros(MOST_VALUES + 1, np.float32)], ids=["nan", "many"]
)
def test_what_json_cannot_carry_is_refused_there_and_sent_in_binary_form(value):
    request = asked()
    with pytest.raises(Problem, match="JSON"):
        encode_response(request, [OutputTensor("a", value)], model_name="m", model_version="v")

    response = encode_response(request, [OutputTensor("a", value, binary=True)], model_name="m", model_version="v")
    assert read_by_client(response).as_numpy("a").tobytes() == value.tobytes()
