"""JSON from strangers: read strictly, with every refusal a problem that says where the fault lies."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from vidi.model_file.values import Json
from vidi.serving.problems import Problem

DEEPEST: Final = 32  # objects and lists within each other; no document of ours has more than 6
# Reading holds up all other requests: 300,000 bytes take 20 ms, so many fractions or 100,000 triples 150 ms.
MOST_VALUES: Final = 300_000  # an image of 316 × 316 pixels as numbers
MOST_CONTAINERS: Final = 100_000  # objects and lists
# Whole numbers take time by the square of their digits: 30 MB of 4,300 digits each 600 ms, 2 MB 40 ms.
LONG_TEXT: Final = 2_000_000  # bytes; looking at each number of a shorter one would take longer
LONGEST_INTEGER: Final = 20  # signs of a whole number in a long text: as many as 64 bits need
SHOWN: Final = 60  # signs of the client's own text in a message

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json_body(data: bytes, *, most_values: int = MOST_VALUES, deepest: int = DEEPEST) -> Json:
    r"""Read a JSON text as RFC 8259 has it, and nothing that only some readers take.

    Args:
        data: UTF-8 without a byte order mark; its length is bounded by the caller.
        most_values: number of commas that are read; brackets may be at most `MOST_CONTAINERS`.
        deepest: objects and lists within each other.

    Raises:
        Problem: `bad-request`; it is not JSON, is nested too deep, holds too many values, a key twice in one object,
            NaN, an infinity, a number beyond float64 or of thousands of digits, or half of a surrogate pair; or it is
            longer than `LONG_TEXT` and holds a whole number that 64 bits cannot.

    >>> parse_json_body(b'{"images": [1, 2.5]}')
    {'images': [1, 2.5]}
    """
    containers = data.count(b"[") + data.count(b"{")
    if data.count(b",") > most_values or containers > MOST_CONTAINERS:
        raise _refused(
            f"The JSON holds over {most_values:,} values, or over {MOST_CONTAINERS:,} lists and objects.",
            "Send large tensors in binary form.",
        )
    try:
        value: Json = json.loads(
            data.decode("utf-8"),
            parse_float=_finite,
            parse_int=_short_integer if len(data) > LONG_TEXT else int,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_of_pairs,
        )
    except UnicodeDecodeError as error:
        raise _refused(f"The JSON is not UTF-8: byte {error.start:,} does not fit.") from error
    except json.JSONDecodeError as error:
        raise _refused(f"This is not JSON: {error}.") from error
    except RecursionError as error:
        raise _too_deep(deepest) from error
    except ValueError as error:  # of `int`, for a whole number of very many digits
        raise _refused("The JSON holds a number of thousands of digits.") from error
    if containers > deepest:
        _check_depth(value, deepest)
    if _SURROGATE.search(data):
        _check_surrogates(value)
    return value


def object_in(value: Json, where: str) -> Mapping[str, Json]:
    """The value, where it is an object.

    Args:
        value: of the document.
        where: what messages call it, as "`inputs[0]`".

    Raises:
        Problem: `bad-request`; it is something else.
    """
    if not isinstance(value, Mapping):
        raise wrong_kind(where, "an object", value)
    return value


def list_in(value: Json, where: str) -> list[Json]:
    """The value, where it is a list; raises as `object_in`."""
    if not isinstance(value, list):
        raise wrong_kind(where, "a list", value)
    return value


def text_in(value: Json, where: str) -> str:
    """The value, where it is a text; raises as `object_in`."""
    if not isinstance(value, str):
        raise wrong_kind(where, "a text", value)
    return value


def flag_in(value: Json, where: str) -> bool:
    """The value, where it is true or false; raises as `object_in`."""
    if not isinstance(value, bool):
        raise wrong_kind(where, "true or false", value)
    return value


def integer_in(value: Json, where: str, *, least: int, most: int) -> int:
    """The value, where it is a whole number from `least` to `most`, written without point and exponent.

    Raises:
        Problem: `bad-request`; it is something else, or out of its range.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_kind(where, "a whole number", value)
    if not least <= value <= most:
        raise wrong_kind(where, f"a whole number from {least:,} to {most:,}", value)
    return value


def wrong_kind(where: str, wanted: str, value: Json) -> Problem:
    """The problem of a value that is not what belongs in its place."""
    return _refused(f"{where} should be {wanted}, not {shown(value)}.")


def shown(value: Json) -> str:
    """A value for a message: short, and on one line.

    >>> shown([1, 2]), shown("a" * 100)[:12], shown(True), shown("a\\nb")
    ('a list', '"aaaaaaaaaaa', 'true', '"a\\\\nb"')
    """
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, int) and abs(value) >= 10**SHOWN:  # str() of 4,301 digits and more is refused
        return "a very large number"
    text = json.dumps(value[: SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN + 2 else f"{text[:SHOWN]}…"


def _refused(cause: str, remedy: str = "Correct the body; /docs shows its form.") -> Problem:
    return Problem("bad-request", cause, remedy)


def _too_deep(deepest: int) -> Problem:
    return _refused(f"The JSON is nested more than {deepest} deep.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _refused(f"The JSON holds the number {text[:SHOWN]}, which no float64 can.")
    return number


def _short_integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise _refused(f"The JSON is long and holds the whole number {text[:SHOWN]}, which 64 bits cannot.")
    return int(text)


def _refuse_constant(name: str) -> float:
    raise _refused(f"The JSON holds {name}, which is no number.")


def _object_of_pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _refused(f"An object of the JSON holds the key {shown(twice)} twice.")
    return found


def _check_depth(value: Json, deepest: int) -> None:
    """Refuse what is nested too deep, level by level, so that no recursion of ours can overflow."""
    level = [value]
    for _ in range(deepest):
        level = [
            child
            for parent in level
            for child in (
                parent.values() if isinstance(parent, Mapping) else parent if isinstance(parent, list) else ()
            )
            if isinstance(child, list | Mapping)
        ]
        if not level:
            return
    raise _too_deep(deepest)


def _check_surrogates(value: Json) -> None:
    """Refuse half of a surrogate pair: a text with one cannot be written as UTF-8 again."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _refused("A text of the JSON holds half of a surrogate pair.") from error
