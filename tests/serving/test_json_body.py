"""JSON from strangers is read strictly: what is refused is refused with its reason, and nothing else is ever raised."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidi.serving.json_body import (
    DEEPEST,
    LONG_TEXT,
    MOST_CONTAINERS,
    flag_in,
    integer_in,
    list_in,
    object_in,
    parse_json_body,
    shown,
    text_in,
)
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


@pytest.mark.slow  # over half a second of processor time: many drawn documents
@given(DOCUMENTS)
def test_every_document_comes_back_as_it_was_written(document: object):
    assert parse_json_body(json.dumps(document).encode()) == document
    assert parse_json_body(json.dumps(document, ensure_ascii=False).encode()) == document


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
        document = parse_json_body(data)
    except Problem as problem:
        return problem.code == "bad-request" and bool(problem.cause)
    return parse_json_body(json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")) == document


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"1 2", "not JSON: Extra data"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        ("[1]".encode("utf-16"), "not UTF-8: byte 0"),
        (b'"\xff"', "not UTF-8: byte 1"),
        (b"NaN", "holds NaN"),
        (b'{"a": [-Infinity]}', "holds -Infinity"),
        (b"[1e999]", "holds the number 1e999"),
        (b"[1" + b"0" * 400 + b".5]", "holds the number 1000"),
        (b"9" * 5_000, "thousands of digits"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', 'the key "b" twice'),
        (b'{"a": 1, "\\u0061": 2}', 'the key "a" twice'),
        (b'["\\uD83D"]', "half of a surrogate pair"),
        (b'{"\\ude00": 1}', "half of a surrogate pair"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nested more than 32 deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested more than 32 deep"),
        (b"[" * 100_000, "nested more than 32 deep"),
        (b"[" + b"0," * 300_001 + b"0]", "over 300,000 values"),
        (b"[" * (MOST_CONTAINERS + 1), "over 100,000 lists and objects"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_what_is_not_plain_json_is_refused_with_its_reason(data: bytes, said: str):
    with pytest.raises(Problem) as refusal:
        parse_json_body(data)

    assert said in refusal.value.cause
    assert refusal.value.code == "bad-request"


def test_in_a_long_text_whole_numbers_of_many_digits_are_refused_before_they_cost_time():
    padding = b" " * LONG_TEXT

    with pytest.raises(Problem, match="64 bits") as refusal:
        parse_json_body(b"[" + b",".join([b"9" * 4_299] * 1_000) + padding + b"]")

    assert refusal.value.code == "bad-request"
    assert parse_json_body(b"[" + b"9" * 4_299 + b"]") == [int("9" * 4_299)]
    assert parse_json_body(b"[-9223372036854775808, 18446744073709551615]" + padding) == [-(2**63), 2**64 - 1]


def test_the_deepest_and_the_largest_documents_are_read():
    assert parse_json_body(b"[" * DEEPEST + b"]" * DEEPEST)
    assert len(list_in(parse_json_body(b"[" + b"0," * 9 + b"0]", most_values=9), "all")) == 10
    assert parse_json_body(b'"\\ud83d\\ude00"') == "😀"


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (object_in, [], "`x` should be an object, not a list."),
        (list_in, {}, "`x` should be a list, not an object."),
        (text_in, 1.5, "`x` should be a text, not 1.5."),
        (text_in, None, "`x` should be a text, not null."),
        (flag_in, 1, "`x` should be true or false, not 1."),
        (list_in, "a" * 1_000, f'`x` should be a list, not "{"a" * 59}….'),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_its_place(read, value, said):
    with pytest.raises(Problem) as refusal:
        read(value, "`x`")

    assert refusal.value.cause == said


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, [1], 11, -1, 10**4_000])
def test_a_number_out_of_its_range_or_of_another_kind_is_refused(value):
    with pytest.raises(Problem, match="whole number"):
        integer_in(value, "`n`", least=0, most=10)


@pytest.mark.slow  # over half a second of processor time: many drawn values
@given(DOCUMENTS | st.integers(10**100, 10**200) | st.just(math.pi))
def test_any_value_is_shown_short_and_on_one_line(value):
    assert len(shown(value)) <= 64
    assert shown(value).isprintable() or "\n" not in shown(value)
