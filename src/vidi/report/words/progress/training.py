"""What was out of the ordinary in a training, in sentences."""

from vidi.training.loop.notes import (
    CutEnsemble,
    MemoryShort,
    Moved,
    NewLayers,
    NoEnsemble,
    Note,
    OlderCheckpoint,
    SteppedBack,
)


def describe_note(note: Note) -> str:
    """One note in a sentence.

    >>> describe_note(MemoryShort(batch=8, parts=2, largest=4))
    'short of memory: each batch of 8 images is computed in 2 parts of at most 4'
    """
    match note:
        case MemoryShort():
            parts = f"{note.parts} parts of at most {note.largest}"
            said = f"short of memory: each batch of {note.batch} images is computed in {parts}"
        case SteppedBack():
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
