"""The results of a run in sentences that need no knowledge of machine learning."""

from collections.abc import Mapping
from typing import Any

from vidi.report.pages.render import percent, visible

WORTH_IT = 0.01  # of the images: what gains less by twice as many is not called worth the trouble
FEW_IMAGES = 100  # below, the range around a share is wide; said so


def headline(test: Mapping[str, Any] | None, *, unseen: bool = True) -> str:
    """The finding in one sentence.

    Args:
        test: the section `test` of metrics.json; None where nothing was tested.
        unseen: whether the model surely learned from none of the images.
    """
    if test is None or test["accuracy"]["value"] is None:
        return "This model has not been tested yet: its accuracy is unknown."
    value, n = test["accuracy"]["value"], test["images"]
    correct = round(value * n)
    kind = "held-out " if unseen else ""
    images = f"the only {kind}image" if n == 1 else f"all {_images(n, kind=kind)}"
    if correct < n:
        images = f"{correct:,} of {_images(n, kind=kind)}"
    share = "" if correct == n else f": {percent(value)}"
    whole = "predicted every class of" if is_multi_label(test) else "classified"
    warning = "" if unseen else " It may have learned from some of these images."
    return f"The model {whole} {images} correctly{share}.{warning}"


def is_multi_label(test: Mapping[str, Any]) -> bool:
    """Whether the figures are of images that may show several classes."""
    return "hamming_loss" in test


def expectation(test: Mapping[str, Any]) -> str:
    """What to expect on more such images, and the accuracy of always giving the same answer."""
    accuracy = test["accuracy"]
    measure = "an exact match of all classes" if is_multi_label(test) else "an accuracy"
    sentence = f"On more images like these, expect {measure} {_between(accuracy)}."
    if test["images"] < FEW_IMAGES:
        sentence += " The range is wide because the test part is small."
    share = test["most_common_share"]
    if is_multi_label(test):
        wrong = percent(test["hamming_loss"]["value"], digits=1)
        return (
            f"{sentence} For single classes, {wrong} of its answers are wrong. Always predicting the most frequent set "
            f"of classes would be correct for {percent(share)} of the images."
        )
    common = max(test["per_class"], key=lambda figures: figures["images"])["class"]
    if share is not None:
        sentence += f" Always predicting “{visible(common)}” would be correct for {percent(share)} of the images."
    return sentence


def weakness(test: Mapping[str, Any]) -> str:
    """The class with the lowest recall, and its most frequent mistake."""
    tested = [figures for figures in test["per_class"] if figures["images"]]
    if not tested:
        return ""
    weakest = min(tested, key=lambda figures: figures["recall"]["value"])
    found = round(weakest["recall"]["value"] * weakest["images"])
    if found == weakest["images"]:
        return "The recall of every class is 100 %."
    shown = _images(weakest["images"])
    sentence = f"Its weakest class is “{visible(weakest['class'])}”: it classified {found:,} of {shown} correctly."
    pair = next((pair for pair in test["confused_pairs"] if pair["true"] == weakest["class"]), None)
    if pair is None:
        return sentence
    times = {1: "once", 2: "twice"}.get(pair["n"], f"{pair['n']:,} times")
    return f"{sentence} The most frequent mistake, {times}, is “{visible(pair['predicted'])}”."


def honesty(test: Mapping[str, Any]) -> tuple[str, str]:
    """Whether its confidence can be believed: a word, and a sentence."""
    calibration = test["calibration"]
    error, low, high = calibration["error"], calibration["perfect_low"], calibration["perfect_high"]
    if error is None:
        return "no data", "There are no test images to judge its confidence."
    count = sum(one["n"] for one in calibration["bins"])
    stated = sum(one["confidence"] * one["n"] for one in calibration["bins"]) / count
    reached = sum(one["accuracy"] * one["n"] for one in calibration["bins"]) / count
    if error <= high and count < FEW_IMAGES:
        return "unclear", (
            f"There are too few test images to judge its confidence: the mean confidence is {percent(stated)}, the "
            f"accuracy {percent(reached)}. The difference may be chance."
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


def sureness(verdicts: Mapping[str, Any]) -> str:
    """The share of sure answers, and their error rate.

    Args:
        verdicts: one part of the section `verdicts` of metrics.json.
    """
    sure, error, n = verdicts["sure_share"], verdicts["sure_error"], verdicts["sure_share"]["n"]
    if error["value"] is None:
        return (
            f"It calls none of its answers on {_images(n)} sure. There were too few calibration images, or too many "
            f"errors among them, to guarantee an error rate of at most {percent(verdicts['max_error'], digits=1)}."
        )
    wrong = round(error["value"] * error["n"])
    were = "was" if wrong == 1 else "were"
    broken = error["low"] is not None and error["low"] > verdicts["max_error"]
    kept = "more than guaranteed" if broken else f"guaranteed: at most {percent(verdicts['max_error'], digits=1)}"
    return (
        f"It calls {percent(sure['value'])} of its answers sure; {wrong:,} of these {error['n']:,} {were} wrong "
        f"({percent(error['value'], digits=1)}; {kept}). Check the others."
    )


def operating(figures: Mapping[str, Any]) -> str:
    """Whether the test images meet the target of the operating point.

    Args:
        figures: one part of the section `operating_points` of metrics.json.
    """
    if figures["measure"] == "costs":
        mean, labels = figures["mean_cost"], figures["mean_cost_of_labels"]
        return (
            f"Answers minimise the cost of mistakes. On {_images(mean['n'])} the mean cost was {mean['value']:.4g}; "
            f"always predicting the most probable class would have cost {labels['value']:.4g}."
        )
    if figures["measure"] == "f1":
        return "A class is predicted if its probability reaches the threshold of the class."
    target = target_in_words(figures)
    broken = [one for one in figures["per_class"] if one["broken"]]
    if len(figures["per_class"]) == 1:
        one = figures["per_class"][0]
        if one["threshold"] is None:
            return f"Target: {target}. No threshold meets it, so “{visible(one['class'])}” is never predicted."
        found, alarms = one["recall"], one["false_alarm_rate"]
        if found["value"] is None or alarms["value"] is None:
            return f"Target: {target}. The test images cannot show it: they lack one of the two classes."
        missed, false = round((1 - found["value"]) * found["n"]), round(alarms["value"] * alarms["n"])
        end = "This misses the target." if broken else "This agrees with the target."
        return (
            f"Target: {target}. The model missed {missed:,} of {found['n']:,} test images of "
            f"“{visible(one['class'])}”, with {false:,} false alarms among {alarms['n']:,} others. {end}"
        )
    names = ", ".join(f"“{visible(one['class'])}”" for one in broken[:8])
    end = f"The test images miss it for {names}." if broken else "The test images agree with it for every class."
    return f"Target for each class: {target}. {end}"


def target_in_words(figures: Mapping[str, Any]) -> str:
    """The target of an operating point, in words."""
    share = figures["share"]
    if figures["measure"] == "recall":
        return f"a recall of at least {percent(share, digits=1)}"
    if figures["measure"] == "precision":
        return f"a precision of at least {percent(share, digits=1)}"
    return f"at most 1 false alarm in {1 / share:,.0f} images of other classes"


def suspicion(found: Mapping[str, Any] | None) -> str:
    """How many labels are probably wrong.

    Args:
        found: the section `label_errors` of metrics.json; None where nobody looked.
    """
    if found is None:
        return ""
    looked = f"Of {_images(found['images'])} used for training and validation"
    if not found["listed"]:
        return f"{looked}, none has a label that is probably wrong."
    share = percent(found["listed"] / found["images"], digits=1)
    have = "has a label" if found["listed"] == 1 else "have labels"
    dropped = found["left_out"]
    out = f" {dropped:,} of them {'was' if dropped == 1 else 'were'} left out of training." if dropped else ""
    return f"{looked}, {found['listed']:,} ({share}) {have} that may be wrong.{out}"


def more_images(found: Mapping[str, Any] | None) -> str:
    """The gain from twice the images, and the class that gains most.

    Args:
        found: the section `learning_curve` of metrics.json; None where it was not measured.
    """
    if found is None:
        return ""
    gain = found["gain"]
    if gain["high"] < WORTH_IT:
        sentence = f"More images of these classes would hardly help: {_points(gain)} with twice as many."
    else:
        likely = "about" if gain["low"] >= WORTH_IT / 2 else "perhaps"
        sentence = f"Twice the images: {likely} {_points(gain)} more accuracy."
    worth = [one for one in found["per_class"] if one["low"] > 0 and one["value"] >= WORTH_IT]
    if not worth:
        return sentence
    best = max(worth, key=lambda one: one["value"])
    return f"{sentence} “{visible(best['class'])}” gains most: {_points(best)}."


def _points(gain: Mapping[str, Any]) -> str:
    """Percentage points with their 95 % range."""
    value, low, high = (100 * gain[name] for name in ("value", "low", "high"))
    return f"{value:.1f} points ({low:.1f} to {high:.1f})"


def untested(test: Mapping[str, Any]) -> str:
    """Classes without test images."""
    names = [f"“{visible(figures['class'])}”" for figures in test["per_class"] if not figures["images"]]
    if not names:
        return ""
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return f"No test image shows {', '.join(names[:8])}{more}, so the recall is unknown."


def _images(count: int, *, kind: str = "") -> str:
    return f"{count:,} {kind}image{'' if count == 1 else 's'}"


def _between(estimate: Mapping[str, Any]) -> str:
    if estimate["low"] is None or estimate["high"] is None:
        return "an unknown share"
    return f"between {percent(estimate['low'])} and {percent(estimate['high'])}"
