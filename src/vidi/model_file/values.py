"""Plain JSON values, and reading them with the wrong ones named."""

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

from vidi.errors import ModelError

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"

_REMEDY = "Use a file that vidi wrote, or write it again from its run."


def canonical_json(value: Json) -> str:
    """One text for one value: keys sorted, no spaces, no NaN, ASCII only.

    Raises:
        ModelError: a number is not finite, or something in it is not plain JSON.

    >>> canonical_json({"b": 1, "a": [1.5, None]})
    '{"a":[1.5,null],"b":1}'
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the metadata cannot be written as JSON: {error}", "Use texts, finite numbers, lists and objects only."
        ) from error


def parse_json(text: str) -> Json:
    """Read a JSON text.

    Raises:
        ModelError: it is not JSON, is nested past reason, or holds NaN or infinity.
    """
    try:
        value: Json = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the metadata is not JSON: {str(error)[:200]}", _REMEDY) from error
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def wrong_value(name: str, wanted: str, value: Json) -> ModelError:
    """The error for an entry of the wrong kind."""
    return ModelError(f"the metadata's {name} should be {wanted}, not {str(value)[:60]!r}", _REMEDY)


def entry(document: Mapping[str, Json], name: str) -> Json:
    """The value under a name that must be there."""
    if name not in document:
        raise ModelError(f"the metadata has no {name}", _REMEDY)
    return document[name]


def object_entry(document: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    """An object that must be there."""
    value = entry(document, name)
    if not isinstance(value, Mapping):
        raise wrong_value(name, "an object", value)
    return value


def object_or_none(document: Mapping[str, Json], name: str) -> Mapping[str, Json] | None:
    """An object, or null."""
    return None if entry(document, name) is None else object_entry(document, name)


def text_entry(document: Mapping[str, Json], name: str) -> str:
    """A text that must be there."""
    value = entry(document, name)
    if not isinstance(value, str):
        raise wrong_value(name, "a text", value)
    return value


def text_or_none(document: Mapping[str, Json], name: str) -> str | None:
    """A text, or null."""
    return None if entry(document, name) is None else text_entry(document, name)


def number_entry(document: Mapping[str, Json], name: str) -> float:
    """A finite number that must be there."""
    value = entry(document, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise wrong_value(name, "a finite number", value)
    return float(value)


def number_or_none(document: Mapping[str, Json], name: str) -> float | None:
    """A finite number, or null."""
    return None if entry(document, name) is None else number_entry(document, name)


def integer_entry(document: Mapping[str, Json], name: str) -> int:
    """A whole number that must be there."""
    value = entry(document, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_value(name, "a whole number", value)
    return value


def list_entry(document: Mapping[str, Json], name: str) -> list[Json]:
    """A list that must be there."""
    value = entry(document, name)
    if not isinstance(value, list):
        raise wrong_value(name, "a list", value)
    return value


def texts_entry(document: Mapping[str, Json], name: str) -> tuple[str, ...]:
    """A list of texts that must be there."""
    values = list_entry(document, name)
    texts = tuple(value for value in values if isinstance(value, str))
    if len(texts) != len(values):
        raise wrong_value(name, "a list of texts", values)
    return texts


def numbers_entry(document: Mapping[str, Json], name: str) -> tuple[float, ...]:
    """A list of finite numbers that must be there."""
    values = list_entry(document, name)
    numbers = tuple(float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool))
    if len(numbers) != len(values) or not all(math.isfinite(number) for number in numbers):
        raise wrong_value(name, "a list of finite numbers", values)
    return numbers


def size_entry(document: Mapping[str, Json], name: str) -> tuple[int, int]:
    """A (height, width) that must be there."""
    values = list_entry(document, name)
    sides = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if len(values) != 2 or len(sides) != 2:
        raise wrong_value(name, "a height and a width", values)
    return sides[0], sides[1]
