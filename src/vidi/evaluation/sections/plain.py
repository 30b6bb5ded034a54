"""Frozen dataclasses as JSON's plain values, and back, by the names and types of their fields."""

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints, runtime_checkable

import numpy as np

DIGITS = 6  # decimals in JSON: finer than any interval, and the file stays readable
KEY, ROUNDED = "key", "rounded"
ROUND = MappingProxyType({ROUNDED: True})  # of a field: its numbers are written with six decimals
Kind = TypeVar("Kind")
NUMBERS = {int: (int, np.integer), float: (int, float)}  # what stands for a number; a bool does not


@runtime_checkable
class Written(Protocol):
    """What knows its own form in JSON."""

    def as_json(self) -> Any: ...


def key(name: str, *, is_rounded: bool = False) -> Mapping[str, Any]:
    """What a field's metadata says where its entry has another name than the field."""
    return {KEY: name, ROUNDED: is_rounded}


def rounded(value: float | None) -> float | None:
    """A number as JSON takes it.

    >>> rounded(2 / 3)
    0.666667
    """
    return None if value is None else round(float(value), DIGITS)


def as_plain(value: Any, *, is_rounded: bool = False) -> Any:
    """A section as JSON takes it: by its own `as_json`, else by its fields.

    A field that is None by default is left out where it is None; every other None is null.

    Args:
        value: a section, or what stands in one.
        is_rounded: numbers are written with six decimals.
    """
    match value:
        case Written():
            return value.as_json()
        case Mapping():
            return {str(name): as_plain(one, is_rounded=is_rounded) for name, one in value.items()}
        case list() | tuple():
            return [as_plain(one, is_rounded=is_rounded) for one in value]
        case float() if is_rounded:
            return rounded(value)
    return by_fields(value, is_rounded=is_rounded) if is_dataclass(value) else value


def by_fields(value: Any, *, is_rounded: bool = False) -> dict[str, Any]:
    """A dataclass as a mapping from its entries' names to plain values."""
    return {
        name_of(one): as_plain(held, is_rounded=is_rounded or one.metadata.get(ROUNDED, False))
        for one in fields(value)
        if (held := getattr(value, one.name)) is not None or one.default is not None
    }


def from_plain(kind: type[Kind], value: Any) -> Kind:
    """The section that `as_plain` wrote; entries that it does not know are passed over.

    Raises:
        TypeError, ValueError, KeyError: it is not such a section.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{kind.__name__} is no object")
    hints = _hints(cast(Hashable, kind))
    entries: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]  # a dataclass, as its callers know
        name = name_of(one)
        if name in value:
            entries[one.name] = _read(hints[one.name], value[name])
        elif one.default is MISSING and one.default_factory is MISSING:
            raise KeyError(name)
    return kind(**entries)


def name_of(one: "Field[Any]") -> str:
    """The name of a field's entry."""
    return str(one.metadata.get(KEY, one.name))


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any) -> Any:
    """A plain value as a field of this type holds it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if value is None else _read(_choose([one for one in inner if one is not NoneType], value), value)
    if origin is not None:
        return _read_many(origin, inner, value)
    if is_dataclass(hint):
        own = getattr(hint, "from_json", None)
        return from_plain(cast(type, hint), value) if own is None else own(value)
    if hint is not Any and (
        not isinstance(value, NUMBERS.get(hint, hint)) or isinstance(value, bool) != (hint is bool)
    ):
        raise TypeError(f"{value!r} is no {hint.__name__}")
    return value


def _read_many(origin: Any, inner: tuple[Any, ...], value: Any) -> Any:
    """A list as a tuple or an array, an object as a mapping."""
    if origin is tuple:
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_read(one, held) for one, held in zip(kinds, value, strict=True))
    if origin is np.ndarray:
        return np.array(value, np.int64)
    return {inner[0](name): _read(inner[1], held) for name, held in value.items()}


def _choose(kinds: list[Any], value: Any) -> Any:
    """Of several kinds of section the first whose entries are all there."""
    if len(kinds) == 1:
        return kinds[0]
    for kind in kinds:
        if all(name_of(one) in value for one in fields(kind) if one.default is MISSING):
            return kind
    raise ValueError(f"{str(value)[:60]} is none of {', '.join(kind.__name__ for kind in kinds)}")
