"""The sections of metrics.json that nothing in `evaluation/` measures, and how a section is written and read back."""

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Protocol, Self, TypeVar, Union, cast, get_args, get_origin, get_type_hints, runtime_checkable

import numpy as np

from vidi.images.account import Account

DIGITS = 6  # decimals in JSON: finer than any interval, and the file stays readable
KEY, ROUNDED, INLINE = "key", "rounded", "inline"
ROUND = MappingProxyType({ROUNDED: True})  # of a field: its numbers are written with six decimals
BESIDE = MappingProxyType({INLINE: True})  # of a field that groups others: their entries stand beside the others'
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
    entries: dict[str, Any] = {}
    for one in fields(value):
        held = getattr(value, one.name)
        if one.metadata.get(INLINE):
            entries |= by_fields(held, is_rounded=is_rounded)
        elif held is not None or one.default is not None:
            entries[name_of(one)] = as_plain(held, is_rounded=is_rounded or one.metadata.get(ROUNDED, False))
    return entries


def entry_names(kind: Hashable) -> list[str]:
    """The names of all entries that a section may have, in order."""
    hints, names = _hints(kind), list[str]()
    for one in fields(kind):  # type: ignore[arg-type]  # a dataclass, as its callers know
        names += entry_names(hints[one.name]) if one.metadata.get(INLINE) else [name_of(one)]
    return names


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
        if one.metadata.get(INLINE):
            entries[one.name] = from_plain(hints[one.name], value)
        elif name in value:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyGain:
    """How much more often one model is right than another about the same images."""

    value: float  # a share of the images
    low: float
    high: float
    images: int
    gained: int  # newly correct
    lost: int  # newly wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFigures:
    """One of the trainings."""

    number: int  # from 1
    seed: int
    epochs: int
    seconds: float
    stopped_by: str = ""
    accuracy: float | None  # on the validation images; None where there are none
    log_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFigures:
    """One way to make one network of them, as the validation images saw it."""

    name: str
    accuracy: float
    log_loss: float
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Milliseconds:
    """How long an image takes."""

    ensemble: float
    single: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleFigures:
    """The section `ensemble`; see `vidi.training.combination.Combination`."""

    way: str
    asked: int
    used: tuple[int, ...]
    compared_with: str
    sentence: str
    members: tuple[MemberFigures, ...]
    trials: tuple[TrialFigures, ...]
    validation: AccuracyGain | None
    test: AccuracyGain | None
    milliseconds: Milliseconds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """Which model the figures are of."""

    id: str
    run: str
    weights_digest: str | None = None
    date: str | None = None  # ISO 8601; None of an evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What the images are. An evaluation names the data; a run says how many there are, and of what."""

    source: str  # as it was named, escaped
    reader: str | None = None
    name: str | None = None
    digest: str | None = None  # of all images
    test_digest: str | None = None
    images: int | None = None
    parts: Mapping[str, int] | None = None  # images in each
    classes: Mapping[str, int] | None = None  # images of each, all parts together
    split_rule: str | None = None
    feedback_learned: int | None = None  # images labelled in use, among those that the model was trained on
    feedback_weight: float | None = None  # as how many other images each of these counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """What the split found."""

    leaks: tuple[str, ...]  # sentences
    untested_classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How the network came about."""

    epochs: int
    best_epoch: int | None  # whose weights were kept
    stopped_by: str
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntFacts:
    """Whether all scored images are held out from training, and how many were set aside."""

    unseen: bool
    set_aside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedFile:
    """One file that was not simply used; its path escaped."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What became of every path; see `vidi.images.account.Account`."""

    found: int
    used: int
    set_aside: tuple[NotedFile, ...]
    refused: tuple[NotedFile, ...]
    ignored: Mapping[str, int]  # by reason

    @classmethod
    def of(cls, account: Account) -> Self:
        """The account as it is written."""
        return from_plain(cls, account.as_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOf:
    """A share of images, and their number."""

    value: float = field(metadata=ROUND)
    image_count: int = field(metadata=key("n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesOfClass:
    """Recall of one class, or accuracy of all images, in each part."""

    name: str = field(metadata=key("class"))  # empty: of all
    held_out: ShareOf
    test: ShareOf
    is_lower: bool = field(metadata=key("lower"))  # in the test part, beyond chance
    p_value: float | None = field(default=None, metadata=ROUND)  # of all: how often chance leaves the test so few


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesApart:
    """How well features alone tell the two parts apart."""

    area: float = field(metadata=ROUND)  # under the ROC curve
    by_chance: float = field(metadata=ROUND)
    p_value: float = field(metadata=ROUND)
    held_out: int  # images
    test: int
    is_apart: bool = field(metadata=key("apart"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsFigures:
    """The section `two_parts`."""

    differs: bool
    accuracy: SharesOfClass
    classes: tuple[SharesOfClass, ...]
    features: FeaturesApart | None
    loudest: tuple[str, ...]  # escaped paths of the test images that look least like what was learnt


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelErrors:
    """How many labels may be wrong."""

    images: int  # looked at
    listed: int  # in label_errors.csv
    left_out: int  # of training
    accuracy: float | None = None  # on these images, where it is too low to doubt any label


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtedLabel:
    """A test image whose label is likely wrong, by a model that was not trained on it."""

    path: str  # escaped
    label: str  # escaped; of several classes joined by `|`
    suggested: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The power law through measured errors; see `vidi.metrics.learning_curve.PowerLaw`."""

    floor: float
    scale: float
    exponent: float
    unit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedGain:
    """How much less the error would be with twice the images, as a share of them."""

    error: float  # with the images that there are
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GainOfClass:
    """The same for the images of one class."""

    name: str = field(metadata=key("class"))
    error: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningFigures:
    """Errors by the number of images, and what twice as many would bring."""

    features_of: str  # the network whose features they were measured on
    held_out: int  # images that the errors are of
    images: int  # that there are
    counts: tuple[float, ...]  # images learnt from, ascending
    errors: tuple[float, ...]  # at each count
    law: Law | None = None
    gain: ExpectedGain
    per_class: tuple[GainOfClass, ...]
    reach: tuple[tuple[float, float, float, float], ...]  # images, error, and its band, for the figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Studied:
    """What study.json holds; None where it was not looked at."""

    label_errors: LabelErrors | None = None
    learning_curve: LearningFigures | None = None
