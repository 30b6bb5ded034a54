"""Notes of a training: kept in its checkpoint as values, said in one place."""

import json

import pytest

from vidi.training.notes import (
    CutEnsemble,
    MemoryShort,
    Moved,
    NewLayers,
    NoEnsemble,
    Note,
    OlderCheckpoint,
    RolledBack,
    describe_note,
    note_as_json,
    note_from_json,
)

NOTES: list[tuple[Note, str]] = [
    (
        MemoryShort(batch=8, parts=4, largest=2),
        "short of memory: each batch of 8 images is computed in 4 parts of at most 2",
    ),
    (
        RolledBack(failed=10, step=15, checkpoint=5),
        "10 steps in a row had no finite loss: went back from step 15 to step 5 and halved the learning rate",
    ),
    (NewLayers(("head",)), "started from the given weights; new because the classes differ: head"),
    (OlderCheckpoint("a is damaged", file="b"), "a is damaged; resumed from the checkpoint before it, b"),
    (
        Moved("device", before="cuda"),
        "this computer has no cuda: resumed on the processor, so the weights will differ in some bits",
    ),
    (
        Moved("precision", before="bfloat16"),
        "bfloat16 is slow on this processor: resumed in float32, so the weights will differ in some bits",
    ),
    (
        NoEnsemble(),
        "no ensemble: the head on pretrained features was kept, and it is the same with every seed",
    ),
    (CutEnsemble(3, ended=False), "interrupted: the model holds 1 of 3 trainings, cut off"),
]


@pytest.mark.parametrize(("note", "sentence"), NOTES)
def test_a_note_comes_back_from_a_checkpoint_and_has_its_sentence(note: Note, sentence: str):
    kept = json.loads(json.dumps(note_as_json(note)))

    assert note_from_json(kept) == note
    assert describe_note(note) == sentence
