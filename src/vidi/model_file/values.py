"""Plain JSON values: frozen dataclasses written as such and read back, and the wrong ones named."""

import base64
import binascii
import json
import numbers
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Any,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from vidi.errors import ModelError

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"
Kind = TypeVar("Kind")

DIGITS = 6  # decimals in JSON: finer than any interval, and the file stays readable
KEY, WITHIN, ROUNDED, INLINE, NEEDED = "key", "within", "rounded", "inline", "needed"
ROUND = MappingProxyType({ROUNDED: True})  # of a field: its numbers are written with six decimals
BESIDE = MappingProxyType({INLINE: True})  # of a field that groups others: their entries stand beside the others'
NEED = MappingProxyType({NEEDED: True})  # of a field that has a default: its entry is always there, also as null
# What a field of each type holds, what stands for it, and both in words; a bool stands for no number.
_SCALARS: Mapping[Any, tuple[Any, str, str]] = {
    str: (str, "a text", "texts"),
    bool: (bool, "true or false", "truth values"),
    int: (numbers.Integral, "a whole number", "whole numbers"),
    float: ((int, float), "a finite number", "finite numbers"),
}
_REMEDY = "Use a file that vidi wrote, or write it again from its run; install a newer vidi if one wrote it."


@runtime_checkable
class Written(Protocol):
    """What knows its own form in JSON."""

    def as_json(self) -> Any: ...


def key(name: str, *, within: str = "", is_needed: bool = False) -> Mapping[str, Any]:
    """What a field's metadata says where its entry has another name than the field, or another place.

    Args:
        within: the object that holds it; empty for the one that the dataclass is written as.
        is_needed: the field has a default, and yet the entry is always there, also as null.
    """
    return {KEY: name, WITHIN: within, NEEDED: is_needed}


def rounded(value: float | None) -> float | None:
    """A number as JSON takes it.

    >>> rounded(2 / 3)
    0.666667
    """
    return None if value is None else round(float(value), DIGITS)


def as_plain(value: Any, *, is_rounded: bool = False) -> Any:
    """A value as JSON takes it: by its own `as_json`, else by its fields.

    A field that is None by default is left out where it is None and not needed; every other None is null.
    """
    match value:
        case Written():
            return value.as_json()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            return {str(name): as_plain(one, is_rounded=is_rounded) for name, one in value.items()}
        case list() | tuple():
            return [as_plain(one, is_rounded=is_rounded) for one in value]
        case float() if is_rounded:
            return rounded(value)
    return by_fields(value, is_rounded=is_rounded) if is_dataclass(value) else value


def by_fields(value: Any, *, is_rounded: bool = False) -> dict[str, Any]:
    """A dataclass as a mapping from its entries' names to plain values."""
    entries: dict[str, Any] = {}
    for one in fields(value):
        held = getattr(value, one.name)
        if one.metadata.get(INLINE):
            entries |= by_fields(held, is_rounded=is_rounded)
        elif held is not None or one.default is not None or one.metadata.get(NEEDED):
            place = entries.setdefault(within, {}) if (within := one.metadata.get(WITHIN)) else entries
            place[_name_of(one)] = as_plain(held, is_rounded=is_rounded or one.metadata.get(ROUNDED, False))
    return entries


def entry_names(kind: Hashable) -> list[str]:
    """The names of all entries that a dataclass may have, in order."""
    hints, names = _hints(kind), list[str]()
    for one in fields(kind):  # type: ignore[arg-type]  # a dataclass, as its callers know
        names += entry_names(hints[one.name]) if one.metadata.get(INLINE) else [_name_of(one)]
    return names


def from_plain(kind: type[Kind], value: Any) -> Kind:
    """The dataclass that `as_plain` wrote; entries that it does not know are passed over.

    Raises:
        KeyError: an entry is missing.
        TypeError, ValueError: an entry is of the wrong kind; the message says which, and what it should be.
    """
    value = _object(value, kind.__name__)
    hints = _hints(cast(Hashable, kind))
    entries: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]  # a dataclass, as its callers know
        name, within = _name_of(one), one.metadata.get(WITHIN)
        place = _object(value[within], within) if within else value
        if one.metadata.get(INLINE):
            entries[one.name] = from_plain(hints[one.name], value)
        elif name in place:
            entries[one.name] = _read(hints[one.name], place[name], name)
        elif one.metadata.get(NEEDED) or (one.default is MISSING and one.default_factory is MISSING):
            raise KeyError(name)
    return kind(**entries)


def read_part(kind: type[Kind], value: Json) -> Kind:
    """A model file's metadata, or a part of it, that `as_plain` wrote, checked.

    Raises:
        ModelError: an entry is missing, of the wrong kind, or at odds with the others.
    """
    try:
        return from_plain(kind, value)
    except KeyError as error:
        raise ModelError(f"the metadata has no {error.args[0]}", _REMEDY) from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"the metadata's {error}", _REMEDY) from error


def _name_of(one: "Field[Any]") -> str:
    return str(one.metadata.get(KEY, one.name))


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} should be an object, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    return repr(str(value)[:60])


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any, name: str) -> Any:
    """A plain value as a field of this type holds it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [one for one in inner if one is not NoneType]
        return None if value is None else _read(_choose(kinds, value), value, name)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{name} should be {', '.join(inner[:-1])} or {inner[-1]}, not {_shown(value)}")
        return value
    if origin is not None:
        return _read_many(origin, inner, value, name)
    if is_dataclass(hint):
        own = getattr(hint, "from_json", None)
        return from_plain(cast(type, hint), value) if own is None else own(value)
    if hint is bytes:
        return _decoded(value, name)
    if hint is not Any and not _holds(hint, value):
        raise TypeError(f"{name} should be {_SCALARS[hint][1]}, not {_shown(value)}")
    return value


def _decoded(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ValueError(f"{name} should be base64, not {_shown(value)}") from error


def _holds(hint: Any, value: Any) -> bool:
    """Whether a plain value is a text, a truth value or a finite number of this type."""
    fits = isinstance(value, _SCALARS[hint][0]) and isinstance(value, bool) == (hint is bool)
    return fits and (hint is not float or abs(value) <= sys.float_info.max)


def _read_many(origin: Any, inner: tuple[Any, ...], value: Any, name: str) -> Any:
    """A list as a tuple or an array, an object as a mapping; where its keys are known, with all of them."""
    if origin.__name__ == "ndarray":
        import numpy as np  # only here: what writes JSON alone starts without it

        return np.array(value, np.int64)
    if origin is not tuple:
        value = _object(value, name)
        names = get_args(inner[0]) if get_origin(inner[0]) is Literal else value
        return {one if names is not value else inner[0](one): _read(inner[1], value[one], one) for one in names}
    kinds: Sequence[Any] = inner
    if isinstance(value, list | tuple) and inner[-1] is Ellipsis:
        kinds = [inner[0]] * len(value)
    fits = isinstance(value, list | tuple) and len(kinds) == len(value)
    is_plain = all(one in _SCALARS for one in inner if one is not Ellipsis)
    if not fits or (is_plain and not all(map(_holds, kinds, value))):
        wanted = f"a list of {_SCALARS[inner[0]][2]}" if is_plain else "a list"
        raise TypeError(f"{name} should be {wanted}, not {_shown(value)}")
    return tuple(value) if is_plain else tuple(_read(one, held, name) for one, held in zip(kinds, value, strict=True))


def _choose(kinds: list[Any], value: Any) -> Any:
    """Of several kinds of dataclass the first whose entries are all there."""
    if len(kinds) == 1:
        return kinds[0]
    for kind in kinds:
        if all(_name_of(one) in value for one in fields(kind) if one.default is MISSING):
            return kind
    raise ValueError(f"{str(value)[:60]} is none of {', '.join(kind.__name__ for kind in kinds)}")


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
