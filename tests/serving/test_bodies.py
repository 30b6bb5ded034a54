"""JSON from outliers is read strictly: what is refused is refused with its reason, and nothing else is ever raised."""

import json
import time
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from vidi.serving.bodies import MOST_CONTAINERS, SHORT_TEXT, read_json
from vidi.serving.problems import Problem

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
)


class Odd(Struct):
    """A document, as one that a client sends."""

    name: Literal["a"]
    sides: list[int] = []


@pytest.mark.slow  # over half a second of processor time: many drawn documents
@given(DOCUMENTS)
def test_every_document_comes_back_as_it_was_written(document: object):
    assert read_json(json.dumps(document).encode(), Any) == document
    assert read_json(json.dumps(document, ensure_ascii=False).encode(), Any) == document


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_document_or_a_problem(data: bytes):
    assert is_document_or_problem(data)


@pytest.mark.slow  # over half a second of processor time: many drawn documents
@given(DOCUMENTS, st.data())
def test_a_mutilated_document_is_a_document_or_a_problem(document: object, data: st.DataObject):
    text = bytearray(json.dumps(document).encode())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place : place + data.draw(st.integers(0, 3))] = data.draw(
        st.sampled_from([b"", b"\0", b"[", b"{", b'"', b"\\", b"\\ud800", b"NaN", b",", b"1e999", b"\xff"])
    )
    assert is_document_or_problem(bytes(text))


def is_document_or_problem(data: bytes) -> bool:
    """Whether bytes become a document that can be written again and read as the same, or a problem of the client."""
    try:
        document = read_json(data, Any)
    except Problem as problem:
        return problem.code in ("bad-request", "invalid-input") and bool(problem.cause)
    return read_json(json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8"), Any) == document


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"", "bad-request", "not JSON"),
        (b"1 2", "bad-request", "not JSON: JSON is malformed: trailing characters"),
        (b"\xef\xbb\xbf{}", "bad-request", "not JSON"),
        (b"[1,]", "bad-request", "trailing comma in array"),
        (b"{'a': 1}", "bad-request", "not JSON"),
        ("[1]".encode("utf-16"), "bad-request", "not JSON"),
        (b'"\xff"', "bad-request", "can't decode byte 0xff"),
        (b"NaN", "bad-request", "not JSON"),
        (b'{"a": [-Infinity]}', "bad-request", "not JSON"),
        (b"[1e999]", "invalid-input", "Number out of range - at `$[0]`"),
        (b"[1" + b"0" * 400 + b".5]", "invalid-input", "Number out of range - at `$[0]`"),
        (b"9" * 5_000, "invalid-input", "Integer value out of range"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "bad-request", "the key 'b' twice"),
        (b'{"a": 1, "\\u0061": 2}', "bad-request", "the key 'a' twice"),
        (b'["\\uD83D"]', "bad-request", "not JSON"),
        (b'{"\\ude00": 1}', "bad-request", "not JSON"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "bad-request", "nested too deep"),
        (b"[" * 100_000, "bad-request", "nested too deep"),
        (b"[" + b"0," * 300_001 + b"0]", "bad-request", "over 300,000 values"),
        (b"[" * (MOST_CONTAINERS + 1), "bad-request", "over 100,000 lists and objects"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_what_is_not_plain_json_is_refused_with_its_reason(data: bytes, code: str, said: str):
    with pytest.raises(Problem) as refusal:
        read_json(data, Any)

    assert said in refusal.value.cause
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[]", "Expected `object`, got `array`."),
        (b"{}", "Object missing required field `name`."),
        (b'{"name": "b"}', "Invalid enum value 'b' - at `$.name`."),
        (b'{"name": "a", "sides": [1, "2"]}', "Expected `int`, got `str` - at `$.sides[1]`."),
        (b'{"name": "a", "sides": [true]}', "Expected `int`, got `bool` - at `$.sides[0]`."),
        (b'{"name": "a", "sides": [1.5]}', "Expected `int`, got `float` - at `$.sides[0]`."),
    ],
)
def test_a_value_that_is_not_as_declared_is_named_with_its_place(data: bytes, said: str):
    with pytest.raises(Problem) as refusal:
        read_json(data, Odd)

    assert (refusal.value.code, refusal.value.cause) == ("invalid-input", said)


def test_of_a_long_text_what_is_not_asked_for_takes_no_time():
    digits = b",".join([b"9" * 4_299] * 1_000)
    began = time.process_time()

    assert read_json(b'{"name": "a", "other": [' + digits + b"]}", Odd) == Odd("a")

    assert time.process_time() - began < 0.2  # as numbers they would take 0.4 s
    assert len(digits) > SHORT_TEXT
