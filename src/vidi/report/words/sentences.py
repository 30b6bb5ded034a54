"""The results of a run in sentences that need no knowledge of machine learning."""

from vidi.evaluation.evaluation import Estimate, Evaluation
from vidi.evaluation.guarantees.at_points import OperatingFigures
from vidi.evaluation.guarantees.verdicts import VerdictFigures
from vidi.evaluation.sections import DataFacts, ExpectedGain, GainOfClass, LabelErrors, LearningFigures
from vidi.model_file.limits import VerdictLimits
from vidi.prediction.words import why_never_sure
from vidi.report.pages.render import percent, visible
from vidi.report.words.guarantees import describe_target

WORTH_IT = 0.01  # of the images: what gains less by twice as many is not called worth the trouble
FEW_IMAGES = 100  # below, the range around a share is wide; said so


def headline(test: Evaluation | None, *, unseen: bool = True) -> str:
    """The finding in one sentence.

    Args:
        test: None where nothing was tested.
        unseen: whether the model surely learned from none of the images.
    """
    if test is None or test.accuracy.value is None:
        return "This model has not been tested yet: its accuracy is unknown."
    value, n = test.accuracy.value, test.image_count
    correct = round(value * n)
    kind = "held-out " if unseen else ""
    images = f"the only {kind}image" if n == 1 else f"all {_images(n, kind=kind)}"
    if correct < n:
        images = f"{correct:,} of {_images(n, kind=kind)}"
    share = "" if correct == n else f": {percent(value)}"
    whole = "predicted every class of" if is_multi_label(test) else "classified"
    warning = "" if unseen else " It may have learned from some of these images."
    return f"The model {whole} {images} correctly{share}.{warning}"


def is_multi_label(test: Evaluation) -> bool:
    """Whether the figures are of images that may show several classes."""
    return test.hamming_loss is not None


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
    shown = _images(weakest.image_count)
    sentence = f"Its weakest class is “{visible(weakest.name)}”: it classified {found:,} of {shown} correctly"
    pair = next((pair for pair in test.mistakes.confused_pairs if pair.true == weakest.name), None)
    return (
        f"{sentence}."
        if pair is None
        else f"{sentence}, and mistook {pair.image_count:,} for “{visible(pair.predicted)}”."
    )


def honesty(test: Evaluation) -> tuple[str, str]:
    """Whether its confidence can be believed: a word, and a sentence."""
    error, bins, band = test.calibration.error, test.calibration.bins, test.calibration.band
    if error is None or band is None:
        return "no data", "There are no test images to judge its confidence."
    low, high = band.calibration_error.low, band.calibration_error.high
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
        verdicts: on the test images.
        limits: of the model; None where its file is not at hand.
    """
    sure, error = verdicts.sure_share, verdicts.sure_error
    most = percent(verdicts.max_error, digits=1)
    if error.value is None:
        never = why_never_sure(limits) or f"it calls none of its answers on {_images(sure.image_count)} sure"
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
            f"Answers minimise the cost of mistakes. On {_images(mean.image_count)} the mean cost was "
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
    """How many labels are probably wrong.

    Args:
        found: None where nobody looked.
    """
    if found is None:
        return ""
    looked = f"Of {_images(found.images)} used for training and validation"
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
    """The gain from twice the images, and the class that gains most.

    Args:
        found: None where it was not measured.
    """
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


def _points(gain: ExpectedGain | GainOfClass) -> str:
    """Percentage points with their 95 % range."""
    value, low, high = (100 * share for share in (gain.value, gain.low, gain.high))
    return f"{value:.1f} points ({low:.1f} to {high:.1f})"


def untested(test: Evaluation) -> str:
    """Classes without test images."""
    names = [f"“{visible(figures.name)}”" for figures in test.per_class if not figures.image_count]
    if not names:
        return ""
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return f"No test image shows {', '.join(names[:8])}{more}, so the recall is unknown."


def _images(count: int, *, kind: str = "") -> str:
    return f"{count:,} {kind}image{'' if count == 1 else 's'}"


def _between(estimate: Estimate) -> str:
    if estimate.interval is None:
        return "an unknown share"
    return f"between {percent(estimate.low)} and {percent(estimate.high)}"
