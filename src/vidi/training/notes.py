"""What was out of the ordinary in a training, as values; `workflows/interaction/progress.py` has the sentences."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class MemoryShort:
    """A batch did not fit into memory, and is computed in parts since."""

    batch: int  # images
    parts: int
    largest: int  # images of the largest part


@dataclass(frozen=True, slots=True)
class SteppedBack:
    """Steps in a row had no finite loss; training went back to a checkpoint, at half the learning rate."""

    failed: int  # steps in a row
    step: int  # where that was
    checkpoint: int  # the step of the checkpoint


@dataclass(frozen=True, slots=True)
class NewLayers:
    """Layers that could not begin from the given weights."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OlderCheckpoint:
    """The last checkpoint cannot be used; training resumed from the one before it."""

    fault: str  # an error's cause
    file: str  # the older one's name


@dataclass(frozen=True, slots=True)
class Moved:
    """A run that began on another computer, and goes on without what this one lacks."""

    lacks: Literal["device", "precision"]
    before: str  # its value there


@dataclass(frozen=True, slots=True)
class NoEnsemble:
    """An ensemble was asked for, but a head was kept, which is the same with every seed."""


@dataclass(frozen=True, slots=True)
class CutEnsemble:
    """Of an ensemble only one training is in the model."""

    asked: int  # trainings
    ended: bool  # whether that one was trained to its end


Note = MemoryShort | SteppedBack | NewLayers | OlderCheckpoint | Moved | NoEnsemble | CutEnsemble
KINDS: Mapping[str, Callable[..., Note]] = {
    kind.__name__: kind
    for kind in (MemoryShort, SteppedBack, NewLayers, OlderCheckpoint, Moved, NoEnsemble, CutEnsemble)
}


def note_as_json(note: Note) -> object:
    """Plain values for a checkpoint."""
    return {"kind": type(note).__name__, **asdict(note)}


def note_from_json(value: Any) -> Note:
    """The note that `note_as_json` wrote.

    >>> note_from_json(note_as_json(MemoryShort(batch=8, parts=2, largest=4)))
    MemoryShort(batch=8, parts=2, largest=4)
    """
    fields = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items() if name != "kind"}
    return KINDS[value["kind"]](**fields)
