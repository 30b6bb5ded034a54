"""What was out of the ordinary in a training, as values; and in sentences."""

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
class RolledBack:
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


Note = MemoryShort | RolledBack | NewLayers | OlderCheckpoint | Moved | NoEnsemble | CutEnsemble
KINDS: Mapping[str, Callable[..., Note]] = {
    kind.__name__: kind
    for kind in (MemoryShort, RolledBack, NewLayers, OlderCheckpoint, Moved, NoEnsemble, CutEnsemble)
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


def describe_note(note: Note) -> str:
    """One note in a sentence.

    >>> describe_note(MemoryShort(batch=8, parts=2, largest=4))
    'short of memory: each batch of 8 images is computed in 2 parts of at most 4'
    """
    match note:
        case MemoryShort():
            parts = f"{note.parts} parts of at most {note.largest}"
            said = f"short of memory: each batch of {note.batch} images is computed in {parts}"
        case RolledBack():
            way = f"from step {note.step} to step {note.checkpoint}"
            said = f"{note.failed} steps in a row had no finite loss: went back {way} and halved the learning rate"
        case NewLayers():
            said = f"started from the given weights; new because the classes differ: {', '.join(note.names)}"
        case OlderCheckpoint():
            said = f"{note.fault}; resumed from the checkpoint before it, {note.file}"
        case Moved():
            said = _moved(note)
        case NoEnsemble():
            said = "no ensemble: the head on pretrained features was kept, and it is the same with every seed"
        case CutEnsemble():
            state = "finished" if note.ended else "cut off"
            said = f"interrupted: the model holds 1 of {note.asked} trainings, {state}"
    return said


def _moved(note: Moved) -> str:
    if note.lacks == "device":
        return f"this computer has no {note.before}: resumed on the processor, so the weights will differ in some bits"
    return f"{note.before} is slow on this processor: resumed in float32, so the weights will differ in some bits"
