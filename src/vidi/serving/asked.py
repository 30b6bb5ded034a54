"""What a request asks for: model, number of classes, boxes and evidence in its query, and images in its JSON."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from vidi.serving.json_body import misfit

_BARE: Final = re.compile(r'(?!null)[^\s"]+')  # what is no text


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a request for predictions."""

    model: Annotated[str | None, Meta(description="Which model is asked.")] = None
    top: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(description="Number of most probable classes to give; all by default."),
    ] = None
    locate: Annotated[bool, Meta(description="Search for boxes as well.")] = False
    by: Annotated[
        Literal["windows", "evidence"] | None,
        Meta(description="How boxes are searched for; as `vidi locate` by default."),
    ] = None
    least: Annotated[float, Meta(gt=0, le=1, description="Least probability of a box.")] = 0.5
    explain: Annotated[Literal["evidence"] | None, Meta(description="Give the class evidence of each region.")] = None


class Images(Struct, forbid_unknown_fields=True):
    """Images in JSON."""

    images: Annotated[list[bytes], Meta(min_length=1, description="Encoded files, such as JPEG, in base64.")]


class IndexBody(Struct):
    """What a request for the index of models asks."""

    ready: bool = False  # only models that are


_TYPES: Final = {one.name: one.type for one in msgspec.structs.fields(Asked)}


def read_query(pairs: Sequence[tuple[str, str]]) -> Asked:
    """The query of a request; strict, so that a slip of the pen is no silent default.

    Raises:
        Problem: a name is unknown or stands there twice, or a value cannot be used.

    >>> read_query([("top", "3"), ("locate", "true")]).locate
    True
    """
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in _TYPES:
            raise misfit(f"The query has an unknown name {name[:60]!r}", f"Known: {', '.join(_TYPES)}.")
        if name in given:
            raise misfit(f"The query names {name!r} twice", "Name it once.")
        given[name] = _value(name, value)
    return Asked(**given)


def _value(name: str, text: str) -> Any:
    """A text as it is, where texts are taken; else a number, or true or false, as JSON writes them."""
    try:
        return msgspec.convert(text, _TYPES[name])
    except msgspec.ValidationError as error:
        if not _BARE.fullmatch(text):
            raise misfit(f"{name}={text[:60]!r}: {error}") from error
    try:
        return msgspec.json.decode(text, type=_TYPES[name])
    except (msgspec.DecodeError, RecursionError) as error:
        raise misfit(f"{name}={text[:60]!r}: {error}") from error
