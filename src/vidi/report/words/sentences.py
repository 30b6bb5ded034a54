"""The findings in sentences that need no knowledge of machine learning."""

from collections.abc import Mapping
from typing import Any

from vidi.report.pages.render import percent, visible

WORTH_IT = 0.01  # of the images: what gains less by twice as many is not called worth the trouble
FEW_IMAGES = 100  # below, the range around a share is wide; said so


def headline(test: Mapping[str, Any] | None, *, unseen: bool = True) -> str:
    """The finding in one sentence.

    Args:
        test: the section `test` of metrics.json; None where nothing was tested.
        unseen: whether the model surely learnt from none of the images.
    """
    if test is None or test["accuracy"]["value"] is None:
        return "This model has not been tested yet: nobody knows how good it is."
    value, n = test["accuracy"]["value"], test["images"]
    right = round(value * n)
    tested = f"Of {_images(n)} it had never seen" if unseen else f"Of {_images(n)}, which it may have learnt from"
    if is_multi_label(test):
        if right == n:
            return f"{tested}, the model was right about every class in each."
        return f"{tested}, the model was right about every class in {right:,}: {percent(value)}."
    if right == n:
        every = "it" if n == 1 else "every one"
        return f"{tested}, the model named {every} rightly."
    return f"{tested}, the model named {right:,} rightly: {percent(value)}."


def is_multi_label(test: Mapping[str, Any]) -> bool:
    """Whether the figures are of images that may show several classes."""
    return "hamming_loss" in test


def expectation(test: Mapping[str, Any]) -> str:
    """What to expect of more such images, and what a model that looks at nothing would reach."""
    accuracy = test["accuracy"]
    everything = " about every class at once" if is_multi_label(test) else ""
    sentence = f"On more images like these, expect it to be right{everything} {_between(accuracy)} of the time."
    if test["images"] < FEW_IMAGES:
        sentence += " The range is wide because so few images were tested."
    share = test["most_common_share"]
    if is_multi_label(test):
        wrong = percent(test["hamming_loss"]["value"], digits=1)
        return (
            f"{sentence} About one class at a time, {wrong} of its answers are wrong. Always answering the most "
            f"frequent set of classes would be right {percent(share)} of the time."
        )
    common = max(test["per_class"], key=lambda figures: figures["images"])["class"]
    if share is not None:
        sentence += (
            f" Always answering “{visible(common)}” without looking would be right {percent(share)} of the time."
        )
    return sentence


def weakness(test: Mapping[str, Any]) -> str:
    """The class that is found least often, and what it is taken for."""
    tested = [figures for figures in test["per_class"] if figures["images"]]
    if not tested:
        return ""
    weakest = min(tested, key=lambda figures: figures["recall"]["value"])
    found = round(weakest["recall"]["value"] * weakest["images"])
    if found == weakest["images"]:
        return "No class stands out: the images of every class were recognised."
    shown = _images(weakest["images"], kind="such ")
    sentence = f"It is weakest on “{visible(weakest['class'])}”: of {shown} it recognised {found:,}."
    pair = next((pair for pair in test["confused_pairs"] if pair["true"] == weakest["class"]), None)
    if pair is None:
        return sentence
    times = {1: "once", 2: "twice"}.get(pair["n"], f"{pair['n']:,} times")
    return f"{sentence} Most often, {times}, it said “{visible(pair['predicted'])}” instead."


def honesty(test: Mapping[str, Any]) -> tuple[str, str]:
    """Whether the stated confidence can be believed: a word, and a sentence."""
    calibration = test["calibration"]
    error, low, high = calibration["error"], calibration["perfect_low"], calibration["perfect_high"]
    if error is None:
        return "no data", "Without test images nothing is known about its confidence."
    count = sum(one["n"] for one in calibration["bins"])
    stated = sum(one["confidence"] * one["n"] for one in calibration["bins"]) / count
    reached = sum(one["accuracy"] * one["n"] for one in calibration["bins"]) / count
    if error <= high and count < FEW_IMAGES:
        return "unclear", (
            f"Too few test images to judge its confidence: it states {percent(stated)} on average and is right "
            f"{percent(reached)} of the time, which can be chance."
        )
    if error <= high:
        return "honest", (
            f"Its confidence can be taken at its word. What it states and what it reaches differ by "
            f"{percent(error, digits=1)} on average, and chance alone gives a perfectly honest model "
            f"{percent(low, digits=1)} to {percent(high, digits=1)}."
        )
    word = "too sure" if stated > reached else "too modest"
    return word, (
        f"It is {word}: on average it states {percent(stated)} and is right {percent(reached)} of the time. "
        f"The gap of {percent(error, digits=1)} is more than the {percent(high, digits=1)} that chance explains."
    )


def sureness(verdicts: Mapping[str, Any]) -> str:
    """How many answers it calls sure, and how many of these were wrong.

    Args:
        verdicts: one part of the section `verdicts` of metrics.json.
    """
    sure, error, n = verdicts["sure_share"], verdicts["sure_error"], verdicts["sure_share"]["n"]
    if error["value"] is None:
        return (
            f"It calls none of its answers on {_images(n)} sure: too few calibration images, or too many errors among "
            f"them, to promise that at most {percent(verdicts['max_error'], digits=1)} are wrong."
        )
    wrong = round(error["value"] * error["n"])
    were = "was" if wrong == 1 else "were"
    broken = error["low"] is not None and error["low"] > verdicts["max_error"]
    kept = "more than it promised" if broken else f"it promises at most {percent(verdicts['max_error'], digits=1)}"
    return (
        f"It calls {percent(sure['value'])} of its answers sure; of these {error['n']:,}, {wrong:,} {were} wrong "
        f"({percent(error['value'], digits=1)}; {kept}). The others are worth a look."
    )


def operating(figures: Mapping[str, Any]) -> str:
    """What becomes of the wish behind the operating point.

    Args:
        figures: one part of the section `operating_points` of metrics.json.
    """
    if figures["measure"] == "costs":
        mean, labels = figures["mean_cost"], figures["mean_cost_of_labels"]
        return (
            f"Answers are chosen by what mistakes cost. On {_images(mean['n'])} an answer cost {mean['value']:.4g} on "
            f"average; always naming the most probable class would have cost {labels['value']:.4g}."
        )
    if figures["measure"] == "f1":
        return "An image is called a class where its probability reaches that class's threshold."
    wish = wished(figures)
    broken = [one for one in figures["per_class"] if one["broken"]]
    if len(figures["per_class"]) == 1:
        one = figures["per_class"][0]
        if one["threshold"] is None:
            return f"Wished was: {wish}. No threshold keeps that, so no image is called “{visible(one['class'])}”."
        found, alarms = one["recall"], one["false_alarm_rate"]
        if found["value"] is None or alarms["value"] is None:
            return f"Wished was: {wish}. The test images cannot show it: they lack one of the two kinds."
        missed, false = round((1 - found["value"]) * found["n"]), round(alarms["value"] * alarms["n"])
        end = "That breaks the wish." if broken else "That agrees with the wish."
        return (
            f"Wished was: {wish}. Of {found['n']:,} test images of “{visible(one['class'])}” it missed {missed:,}, and "
            f"{false:,} of {alarms['n']:,} others were false alarms. {end}"
        )
    names = ", ".join(f"“{visible(one['class'])}”" for one in broken[:8])
    end = f"The test images break it for {names}." if broken else "The test images agree with it for every class."
    return f"Wished was, of each class: {wish}. {end}"


def wished(figures: Mapping[str, Any]) -> str:
    """The wish behind an operating point, in words."""
    share = figures["share"]
    if figures["measure"] == "recall":
        return f"at least {percent(share, digits=1)} of the class is found"
    if figures["measure"] == "precision":
        return f"at least {percent(share, digits=1)} of what is called the class is it"
    return f"at most 1 false alarm in {1 / share:,.0f} images of other classes"


def suspicion(found: Mapping[str, Any] | None) -> str:
    """How many labels are likely wrong.

    Args:
        found: the section `label_errors` of metrics.json; None where nobody looked.
    """
    if found is None:
        return ""
    looked = f"Of {_images(found['images'])} that were learnt or chosen from"
    if not found["listed"]:
        return f"{looked}, none has a label that is likely wrong."
    share = percent(found["listed"] / found["images"], digits=1)
    have = "has a label" if found["listed"] == 1 else "have labels"
    dropped = found["left_out"]
    out = f" {dropped:,} of them {'was' if dropped == 1 else 'were'} left out of training." if dropped else ""
    return f"{looked}, {found['listed']:,} ({share}) {have} that may be wrong.{out}"


def more_images(found: Mapping[str, Any] | None) -> str:
    """What twice the images would bring, and which class gains most by them.

    Args:
        found: the section `learning_curve` of metrics.json; None where it was not measured.
    """
    if found is None:
        return ""
    gain = found["gain"]
    if gain["high"] < WORTH_IT:
        sentence = f"More images of these kinds would hardly help: {_points(gain)} by twice as many."
    else:
        likely = "about" if gain["low"] >= WORTH_IT / 2 else "perhaps"
        sentence = f"Twice the images: {likely} {_points(gain)} more right."
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
    """Classes about which nothing is known."""
    names = [f"“{visible(figures['class'])}”" for figures in test["per_class"] if not figures["images"]]
    if not names:
        return ""
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return f"No test image shows {', '.join(names[:8])}{more}: nothing is known about how well it is recognised."


def _images(count: int, *, kind: str = "") -> str:
    return f"{count:,} {kind}image{'' if count == 1 else 's'}"


def _between(estimate: Mapping[str, Any]) -> str:
    if estimate["low"] is None or estimate["high"] is None:
        return "an unknown share"
    return f"between {percent(estimate['low'])} and {percent(estimate['high'])}"
