"""The results of a model in sentences: the finding, what to know before believing it, and what to do next."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidi import numbers
from vidi.data.checking.findings import FEW_TO_MEASURE
from vidi.evaluation.document import Metrics
from vidi.evaluation.evaluate import Evaluation
from vidi.evaluation.guarantees.refuted import RefutedGuarantee
from vidi.evaluation.guarantees.verdicts import OperatingFigures, VerdictFigures
from vidi.evaluation.match import ClassMatch, listed
from vidi.evaluation.run_files import read_metrics
from vidi.evaluation.scores import Estimate
from vidi.evaluation.sections import (
    CorrectedTest,
    DataFacts,
    GainOfClass,
    LabelErrors,
    LearningFigures,
    PartComparison,
    SharesOfClass,
)
from vidi.files import escape_path
from vidi.metrics.learning_curve import Gain
from vidi.model_file.limits import VerdictLimits
from vidi.numbers import count_of, first_of, short_percent
from vidi.prediction.words import why_never_sure
from vidi.report.words.guarantees import describe_target
from vidi.report.words.text import percent, visible

WORTH_IT = 0.01  # of the images: what gains less by twice as many is not called worth the trouble
FEW_IMAGES = 100  # below, the range around a share is wide; said so
MOST_UNTESTED = 8  # classes named in a sentence
MOST_LOWEST = 4  # named in a sentence; the report has a table of all
SMALLEST_CHANCE = 0.0001  # said as "less than"
WHAT_TO_DO = (
    "What to do: give images of one source (patient, place, camera) one value in the table's column “group”, so that "
    "vidi keeps them in one part. Or take the test images from the source of the training images. Or train on images "
    "of the new source too. More images of the same kind will not close the gap."
)
UNSTATED = (
    "Neither the model file nor its run folder lists the training images. On images that it was trained on, a model is "
    "more accurate than on others."
)
MOST_STEPS = 3
FEW_SURE = 0.5  # of the answers; where fewer are sure, wrong labels are a likely reason


def headline(test: Evaluation | None, *, unseen: bool = True) -> str:
    """The finding in one sentence.

    Args:
        unseen: whether the model surely learned from none of the images.
    """
    if test is None or test.accuracy.value is None:
        return "This model has not been tested yet: its accuracy is unknown."
    value, n = test.accuracy.value, test.image_count
    correct = round(value * n)
    kind = "held-out " if unseen else ""
    images = f"the only {kind}image" if n == 1 else f"all {count_of(n, f'{kind}image')}"
    if correct < n:
        images = f"{correct:,} of {count_of(n, f'{kind}image')}"
    share = "" if correct == n else f": {percent(value)}"
    whole = "predicted every class of" if is_multi_label(test) else "classified"
    warning = "" if unseen else " It may have learned from some of these images."
    return f"The model {whole} {images} correctly{share}.{warning}"


def is_multi_label(test: Evaluation) -> bool:
    """Whether the figures are of images that may show several classes."""
    return test.hamming_loss is not None


def about_test(test: Evaluation | None) -> dict[str, str]:
    """The sentences about a test, by where they stand on the page; empty where nothing was tested."""
    if test is None or not test.image_count:
        return {"expectation": "", "weakness": "", "honesty": "", "honesty_word": "no data", "untested": ""}
    word, believed = honesty(test)
    return {
        "expectation": expectation(test),
        "weakness": weakness(test),
        "honesty": believed,
        "honesty_word": word,
        "untested": untested(test),
    }


def learned_in_use(data: DataFacts | None) -> str:
    """How many images of the feedback the model has learned from, and how much each counts; empty without any.

    >>> learned_in_use(DataFacts(source="photos", feedback_learned=130, feedback_weight=3.0))
    'It has learned from 130 images that were labelled in use, each with a sample weight of 3.'
    """
    if data is None or not data.feedback_learned:
        return ""
    count = data.feedback_learned
    images = "one image that was" if count == 1 else f"{count:,} images that were"
    weight = data.feedback_weight or 1.0
    return f"It has learned from {images} labelled in use, each with a sample weight of {weight:g}."


def expectation(test: Evaluation) -> str:
    """What to expect on more such images, and the accuracy of always giving the same answer."""
    measure = "an exact match of all classes" if is_multi_label(test) else "an accuracy"
    sentence = f"On more images like these, expect {measure} {_between(test.accuracy)}."
    if test.image_count < FEW_IMAGES:
        sentence += " The range is wide because the test part is small."
    share = test.most_common_share
    if test.hamming_loss is not None:
        wrong = percent(test.hamming_loss.value, digits=1)
        return (
            f"{sentence} For single classes, {wrong} of its answers are wrong. Always predicting the most frequent set "
            f"of classes would be correct for {percent(share)} of the images."
        )
    common = max(test.per_class, key=lambda figures: figures.image_count).name
    if share is not None:
        sentence += f" Always predicting “{visible(common)}” would be correct for {percent(share)} of the images."
    return sentence


def weakness(test: Evaluation) -> str:
    """The class with the lowest recall, and its most frequent mistake."""
    tested = [(one.recall.value, one) for one in test.per_class if one.recall.value is not None]
    if not tested:
        return ""
    recall, weakest = min(tested, key=lambda pair: pair[0])
    found = round(recall * weakest.image_count)
    if found == weakest.image_count:
        return "The recall of every class is 100 %."
    shown = count_of(weakest.image_count, "image")
    sentence = f"Its weakest class is “{visible(weakest.name)}”: it classified {found:,} of {shown} correctly"
    pair = next((pair for pair in test.mistakes.confused_pairs if pair.true == weakest.name), None)
    return (
        f"{sentence}."
        if pair is None
        else f"{sentence}, and mistook {pair.image_count:,} for “{visible(pair.predicted)}”."
    )


def honesty(test: Evaluation) -> tuple[str, str]:
    """Whether its confidence can be believed: a word, and a sentence."""
    error, bins = test.calibration.error, test.calibration.bins
    low, high = test.calibration.perfect_low, test.calibration.perfect_high
    if error is None or low is None or high is None:
        return "no data", "There are no test images to judge its confidence."
    count = sum(one.image_count for one in bins)
    stated = sum(one.confidence * one.image_count for one in bins) / count
    reached = sum(one.accuracy * one.image_count for one in bins) / count
    if error <= high and count < FEW_IMAGES:
        return "not checked", (
            f"{count:,} test images are too few to check whether its probabilities are right: their mean is "
            f"{percent(stated)}, the accuracy {percent(reached)}. The difference may be chance."
        )
    if error <= high:
        return "calibrated", (
            f"Its confidence is calibrated. Confidence and accuracy differ by {percent(error, digits=1)} on average; "
            f"a perfectly calibrated model shows {percent(low, digits=1)} to {percent(high, digits=1)} by chance."
        )
    word = "overconfident" if stated > reached else "underconfident"
    return word, (
        f"It is {word}: its mean confidence is {percent(stated)}, its accuracy {percent(reached)}. "
        f"The gap of {percent(error, digits=1)} is more than chance explains ({percent(high, digits=1)})."
    )


def sureness(verdicts: VerdictFigures, limits: VerdictLimits | None) -> str:
    """The share of sure answers, and their error rate; or why there are none.

    Args:
        limits: of the model; None where its file is not at hand.
    """
    sure, error = verdicts.sure_share, verdicts.sure_error
    most = percent(verdicts.max_error, digits=1)
    if error.value is None:
        never = why_never_sure(limits) or f"it calls none of its answers on {count_of(sure.image_count, 'image')} sure"
        return f"{never[:1].upper()}{never[1:]}."
    wrong = round(error.value * error.image_count)
    were = "was" if wrong == 1 else "were"
    broken = error.low is not None and error.low > verdicts.max_error
    kept = "more than guaranteed" if broken else f"guaranteed: at most {most}"
    return (
        f"It calls {percent(sure.value)} of its answers sure; {wrong:,} of these {error.image_count:,} {were} wrong "
        f"({percent(error.value, digits=1)}; {kept}). Check the others."
    )


def operating(figures: OperatingFigures) -> str:
    """Whether the test images meet the target of the operating point."""
    mean, labels = figures.mean_cost, figures.mean_cost_of_labels
    if mean is not None and labels is not None:
        return (
            f"Answers minimise the cost of mistakes. On {count_of(mean.image_count, 'image')} the mean cost was "
            f"{mean.value:.4g}; always predicting the most probable class would have cost {labels.value:.4g}."
        )
    if figures.measure == "f1":
        return "A class is predicted if its probability reaches the threshold of the class."
    target = describe_target(figures.measure, figures.share)
    broken = [one for one in figures.per_class if one.is_broken]
    if len(figures.per_class) == 1:
        one = figures.per_class[0]
        if one.threshold is None:
            return f"Target: {target}. No threshold meets it, so “{visible(one.name)}” is never predicted."
        found, alarms = one.recall, one.false_alarms
        if found.value is None or alarms.value is None:
            return f"Target: {target}. The test images cannot show it: they lack one of the two classes."
        missed, false = round((1 - found.value) * found.image_count), round(alarms.value * alarms.image_count)
        end = "This misses the target." if broken else "This agrees with the target."
        return (
            f"Target: {target}. The model missed {missed:,} of {found.image_count:,} test images of "
            f"“{visible(one.name)}”, with {false:,} false alarms among {alarms.image_count:,} others. {end}"
        )
    names = ", ".join(f"“{visible(one.name)}”" for one in broken[:8])
    end = f"The test images miss it for {names}." if broken else "The test images agree with it for every class."
    return f"Target for each class: {target}. {end}"


def suspicion(found: LabelErrors | None) -> str:
    """How many labels are probably wrong."""
    if found is None:
        return ""
    looked = f"Of {count_of(found.images, 'image')} used for training and validation"
    if found.accuracy is not None:
        return (
            f"{looked}, only {percent(found.accuracy)} are classified correctly by a model that has not seen them: too "
            "few to doubt a label."
        )
    if not found.listed:
        return f"{looked}, none has a label that is probably wrong."
    share = percent(found.listed / found.images, digits=1)
    have = "has a label" if found.listed == 1 else "have labels"
    dropped = found.left_out
    out = f" {dropped:,} of them {'was' if dropped == 1 else 'were'} left out of training." if dropped else ""
    return f"{looked}, {found.listed:,} ({share}) {have} that may be wrong.{out}"


def more_images(found: LearningFigures | None) -> str:
    """The gain from twice the images, and the class that gains most."""
    if found is None:
        return ""
    gain = found.gain
    if gain.high < WORTH_IT:
        sentence = f"More images of these classes would hardly help: {_points(gain)} with twice as many."
    else:
        likely = "about" if gain.low >= WORTH_IT / 2 else "perhaps"
        sentence = f"Twice the images: {likely} {_points(gain)} more accuracy."
    worth = [one for one in found.per_class if one.low > 0 and one.value >= WORTH_IT]
    if not worth:
        return sentence
    best = max(worth, key=lambda one: one.value)
    return f"{sentence} “{visible(best.name)}” gains most: {_points(best)}."


def _points(gain: Gain | GainOfClass) -> str:
    """Percentage points with their 95 % range."""
    value, low, high = (100 * share for share in (gain.value, gain.low, gain.high))
    return f"{value:.1f} points ({low:.1f} to {high:.1f})"


def untested(test: Evaluation) -> str:
    """Classes without test images."""
    names = [f"“{visible(figures.name)}”" for figures in test.per_class if not figures.image_count]
    if not names:
        return ""
    return f"No test image shows {first_of(names, MOST_UNTESTED)}, so the recall is unknown."


def _between(estimate: Estimate) -> str:
    if estimate.interval is None:
        return "an unknown share"
    return f"between {percent(estimate.low)} and {percent(estimate.high)}"


def accuracy_line(test: Evaluation | None) -> str:
    """The accuracy of a test, with its interval and n."""
    if test is None or test.accuracy.value is None:
        return "not tested"
    accuracy, several = test.accuracy, test.hamming_loss is not None
    images = count_of(accuracy.image_count, "image")
    reach = ""
    if accuracy.interval is not None:
        low, high = (numbers.percent(end, digits=1) for end in (accuracy.interval.low, accuracy.interval.high))
        reach = f"95 % interval {low} to {high}, "
    every = ", every class of an image at once" if several else ""
    return f"accuracy {numbers.percent(accuracy.value, digits=1)} ({reach}{images}{every})"


def differing(metrics: Metrics) -> PartComparison | None:
    """What is known of the two parts where they differ; else None."""
    parts = metrics.two_parts
    return parts if parts is not None and parts.differs else None


def differing_headline(parts: PartComparison) -> str:
    """The first line where the parts differ."""
    held_out, test = parts.accuracy.held_out, parts.accuracy.test
    return (
        f"The test images differ from the training images: accuracy {percent(test.value, digits=1)} on "
        f"{test.image_count:,} test images, {percent(held_out.value, digits=1)} on {held_out.image_count:,} held-out "
        "training images."
    )


def differing_details(parts: PartComparison) -> tuple[str, ...]:
    """The size of the difference, the classes, the evidence, and what to do."""
    accuracy, features, sentences = parts.accuracy, parts.features, []
    if accuracy.is_lower:
        p_value = accuracy.p_value or 0.0
        chance = max(p_value, SMALLEST_CHANCE)
        less = "less than " if p_value < SMALLEST_CHANCE else ""
        sentences.append(
            f"Class by class, chance alone gives so low an accuracy in {less}{1e4 * chance:.0f} of 10,000 cases."
        )
        sentences += _lowest(parts.classes)
    else:
        sentences.append("The difference in accuracy may be chance.")
    if features is not None and features.is_apart:
        sentences.append(
            f"Features alone separate test images from training images: AUC {features.area:.2f}, by chance at most "
            f"{features.by_chance:.2f}. The report shows the test images least like the training images."
        )
    elif features is not None:
        sentences.append(
            f"Features do not separate the two (AUC {features.area:.2f}; chance gives at most "
            f"{features.by_chance:.2f}), so look at the labels and at the difficulty of the images."
        )
    return (*sentences, WHAT_TO_DO)


def _lowest(classes: Sequence[SharesOfClass]) -> list[str]:
    lower = [one for one in classes if one.is_lower]
    if not lower:
        return ["No single class is lower beyond chance."]
    named = ", ".join(
        f"“{visible(one.name)}” {percent(one.test.value)} (held out {percent(one.held_out.value)})"
        for one in lower[:MOST_LOWEST]
    )
    more = f", and {len(lower) - MOST_LOWEST:,} more" if len(lower) > MOST_LOWEST else ""
    return [f"Lower beyond chance: {named}{more}."]


def _refutation(one: RefutedGuarantee) -> str:
    """One guarantee that does not hold, and what was measured instead."""
    stated, measured = short_percent(one.guaranteed), percent(one.measured, digits=1)
    name, images = f"“{visible(one.name)}”", f"test image{'' if one.image_count == 1 else 's'}"
    match one.kind:
        case "sure":
            what = f"at most {stated} of sure answers are wrong"
            images = f"sure answers to {images}"
        case "candidates":
            what = f"the true class is among the candidates in at least {stated} of cases"
        case "recall":
            what, images = f"recall of at least {stated} for {name}", f"{images} of it"
        case "precision":
            what, images = f"precision of at least {stated} for {name}", f"{images} predicted so"
        case _:
            what = f"at most 1 false alarm for {name} in {1 / one.guaranteed:,.0f} images of other classes"
            images = f"such {images}"
    return f"Refuted by the test: {what}. Measured: {measured} (of {one.image_count:,} {images})."


def first_line(metrics: Metrics) -> str:
    """The result in one sentence, for the terminal, the report and the model card."""
    parts = differing(metrics)
    return headline(metrics.parts.test, unseen=is_unseen(metrics)) if parts is None else differing_headline(parts)


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do about a finding."""

    sentence: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.sentence} {self.command}".rstrip()


def next_steps(metrics: Metrics, folder: Path) -> tuple[NextStep, ...]:
    """What to do next about what was found, at most three steps."""
    found = (_look_at_labels(metrics, folder), _look_at_test_labels(metrics, folder), _add_images(metrics))
    return tuple(step for step in found if step is not None)[:MOST_STEPS]


def _look_at_labels(metrics: Metrics, folder: Path) -> NextStep | None:
    found, verdicts = metrics.labels.label_errors, metrics.test_verdicts
    listed = 0 if found is None else found.listed - found.left_out
    if not listed:
        return None
    keeps = ""
    if verdicts is not None and (verdicts.sure_share.value or 0.0) < FEW_SURE:
        keeps = ", and may keep answers from being sure"
    them = "it" if listed == 1 else "them"
    return NextStep(f"{count_of(listed, 'label')} may be wrong{keeps}. Look at {them}:", review_command(folder))


def review_command(folder: Path) -> str:
    """The command that shows the doubted labels of a run."""
    return f"vidi review {shlex.quote(escape_path(folder))}"


def _look_at_test_labels(metrics: Metrics, folder: Path) -> NextStep | None:
    count = len(metrics.labels.doubted_test_labels)
    if not count:
        return None
    counts = "a wrong label counts as a mistake of the model"
    found = f"{count_of(count, 'label')} of test images may be wrong; {counts}."
    if metrics.labels.label_errors is None:  # an evaluation: only the images of a run are reviewed
        return NextStep(f"{found} The report shows them.")
    return NextStep(f"{found} Look at {'it' if count == 1 else 'them'}:", review_command(folder))


def _add_images(metrics: Metrics) -> NextStep | None:
    if differing(metrics) is not None:  # more of the same kind would not help; the reservations say what would
        return None
    if metrics.labels.learning_curve is not None and metrics.labels.learning_curve.gain.high >= WORTH_IT:
        return NextStep(more_images(metrics.labels.learning_curve))
    counts = {} if metrics.origin.data is None else metrics.origin.data.classes or {}
    if not counts or min(counts.values()) >= FEW_TO_MEASURE:
        return None
    name, count = min(counts.items(), key=lambda pair: pair[1])
    return NextStep(f"“{visible(name)}” has {count_of(count, 'image')}, the fewest of all classes: add images of it.")


def is_unseen(metrics: Metrics) -> bool:
    """Whether the model surely learned from none of the test images; older evaluations do not say."""
    return metrics.learned_from is None or metrics.learned_from.unseen


def reservations(metrics: Metrics) -> tuple[str, ...]:
    """What must be known before the first line is believed; empty where nothing stands against it."""
    parts = differing(metrics)
    return (
        *(() if is_unseen(metrics) else (UNSTATED,)),
        *map(_refutation, metrics.trust.refuted),
        *(() if parts is None else differing_details(parts)),
        *corrections(metrics.labels.corrected_test),
    )


def corrections(corrected: CorrectedTest | None) -> tuple[str, ...]:
    """What people corrected in the test part, and the accuracy without that; empty where they corrected nothing.

    >>> corrections(CorrectedTest(relabelled=1, left_out=2, accuracy_as_given=Estimate(None, None, 0)))
    ('People relabelled 1 test image and left out 2.',)
    """
    if corrected is None:
        return ()
    given = corrected.accuracy_as_given
    said = f"People relabelled {count_of(corrected.relabelled, 'test image')} and left out {corrected.left_out:,}."
    if given.value is None or given.interval is None:
        return (said,)
    low, high = percent(given.interval.low), percent(given.interval.high)
    interval = f"{low} to {high}, n = {given.image_count:,}"
    return (f"{said} By the data's labels, the accuracy is {percent(given.value)} ({interval}).",)


def other_tested(metrics: Metrics, model_id: str) -> tuple[str, ...]:
    """That the figures were measured before the model file was calibrated again; empty where they were not."""
    tested = metrics.origin.model
    if tested is None or not tested.id or tested.id == model_id:
        return ()
    return (f"The figures are of model {tested.id}. This is model {model_id}, with another calibration.",)


def read_first(folder: Path) -> tuple[tuple[str, ...], tuple[NextStep, ...]]:
    """The first line with the reservations, and the next steps, one line each for a terminal."""
    metrics = read_metrics(folder)
    return (first_line(metrics), *reservations(metrics)), next_steps(metrics, folder)


def describe_match(match: ClassMatch, counts: Mapping[str, int]) -> list[str]:
    """What to know where the two lists differ.

    Args:
        counts: class → images that were answered.

    >>> describe_match(ClassMatch(("cat", "bird"), ("dog",), ("bird",)), {"cat": 5, "bird": 3})
    ['3 images skipped: the model does not know their class (bird 3)', 'no image shows: dog']
    """
    unknown = {name: counts[name] for name in match.foreign if counts.get(name)}
    lines = []
    if unknown:
        shown = listed([f"{name} {count:,}" for name, count in unknown.items()])
        lines.append(
            f"{count_of(sum(unknown.values()), 'image')} skipped: the model does not know their class ({shown})"
        )
    if match.absent:
        lines.append(f"no image shows: {listed(match.absent)}")
    return lines
