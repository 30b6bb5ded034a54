"""What monitoring found, in words and as a page: has anything changed, and how good are the answers probably?"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.errors import ImageError
from vidi.figures.in_use import Change, TimePoint, draw_over_time
from vidi.numbers import count_of, percent, short_percent
from vidi.report.pages.render import write_page
from vidi.report.pictures.thumbnails import Thumbnail, make_thumbnails
from vidi.report.words.text import drawn, visible

if TYPE_CHECKING:
    from markupsafe import Markup

ImageOf = Callable[[str], bytes | None]  # digest → the bytes of a kept image, None where it is not kept
MOST_SHOWN = 60  # images
MOST_CHANGED = 8  # curves of what changed
LEAST_POINTS = 2  # of a curve
Document = Mapping[str, Any]  # of `vidi monitor --json`, or a part of it
# Name of a quality → what more and less of it is called, and its unit.
QUALITY_WORDS: Mapping[str, tuple[str, str, str]] = {
    "brightness": ("brighter", "darker", " of 255"),
    "contrast": ("higher in contrast", "lower in contrast", ""),
    "saturation": ("more colourful", "paler", ""),
    "sharpness": ("sharper", "more blurred", ""),
    "side": ("larger", "smaller", " pixels"),
    "aspect": ("wider", "narrower", ""),
}
QUALITY_AXES: Mapping[str, str] = {
    "brightness": "median, of 255",
    "contrast": "median, of 255",
    "saturation": "median, of 255",
    "sharpness": "median, of 255",
    "side": "median, pixels",
    "aspect": "median, width by height",
}
NOVELTY_AXES: Mapping[tuple[str, str | None], tuple[str, str, bool]] = {
    ("novelty", None): ("Strange images", "share of the images", True),
    ("novelty", "embeddings"): ("Distance of the strangest images’ embeddings", "standard deviations", False),
    ("embeddings", None): ("Distance of the embeddings", "standard deviations", False),
}
DISTRUST: Mapping[str, str] = {
    "novelty": "Many images are unlike the training images. Answers about a new class are wrong, whatever their "
    "confidence: the estimate cannot be trusted.",
    "few": "There are too few images for an estimate.",
}


class KeptImages:
    """Images that a prediction log keeps, named by their digests."""

    def __init__(self, image_of: ImageOf) -> None:
        self._image_of = image_of

    def read(self, path: str) -> bytes:
        """The bytes of one image.

        Raises:
            ImageError: it is not kept.
        """
        data = self._image_of(path)
        if data is None:
            raise ImageError("not-a-file", "the log does not keep it", "Keep images with --keep-images.")
        return data


def write_monitor_page(path: Path, document: Document, *, image_of: ImageOf | None) -> None:
    """Write the page; raises like `write_page`.

    Args:
        image_of: gives kept images; None leaves every picture out.
    """
    shown = document["drift"]["loudest"][:MOST_SHOWN]
    pictures: Mapping[str, Thumbnail] = {}
    if image_of is not None:
        pictures = make_thumbnails(KeptImages(image_of), [one["digest"] for one in shown])
    values = {**page_values(document), "shown": shown, "thumbnails": pictures}
    write_page(path, "monitor.html", values)


def page_values(document: Document) -> dict[str, object]:
    """What the template shows, the images apart."""
    return {
        **document,
        "headline": headline(document),
        "since": None if document["since"] is None else moment(document["since"]),
        "changes": [change_line(one) for one in document["drift"]["changes"]],
        "accuracy_line": f"{accuracy_line(document['accuracy'])} {caution_line(document)}".strip(),
        "feedback_line": feedback_line(document["feedback"]),
        "traffic_line": traffic_line(document),
        "left_out_line": left_out_line(document),
        "rate_line": f"{rate_line(document)} {certainty_line(document)}".strip(),
        "figures": draw_curves(document),
        "day": day,
        "moment": moment,
    }


def draw_curves(document: Document) -> "list[tuple[str, Markup]]":
    """Title and drawing of the estimated accuracy and of each compared quantity over time, what changed first."""
    drift = document["drift"]
    began = None if drift["began"] is None else (drift["began"]["at"], drift["began"]["image"] - 1)
    figures: list[tuple[str, str]] = []
    if accuracy := _draw_accuracy(document, began):
        figures.append(("Estimated accuracy", accuracy))
    for number, curve in enumerate(_chosen(drift)):
        title, axis, is_share = axis_of(curve["kind"], curve["name"])
        points = [TimePoint(one["at"], one["image"], one["value"]) for one in curve["points"]]
        if len(points) >= LEAST_POINTS:
            svg = draw_over_time(
                points,
                usual=curve["usual"],
                began=began,
                axis=axis,
                is_share=is_share,
                title=title,
                name=f"curve-{number}",
            )
            figures.append((title, svg))
    return [(title, drawn(svg)) for title, svg in figures]


def _draw_accuracy(document: Document, began: Change | None) -> str:
    parts = [one for one in document["accuracy_over_time"] if one["value"] is not None]
    if len(parts) < LEAST_POINTS:
        return ""
    return draw_over_time(
        [TimePoint(one["at"], one["image"], one["value"], one["low"], one["high"]) for one in parts],
        usual=document["accuracy"]["reference"],
        began=began,
        axis="estimated accuracy",
        is_share=True,
        title="Estimated accuracy",
        name="accuracy",
    )


def _chosen(drift: Document) -> list[Document]:
    """The curves that are drawn: what changed, in that order, then those that every page shows."""
    changed = [(one["kind"], one["name"]) for one in drift["changes"]][:MOST_CHANGED]
    curves = {(one["kind"], one["name"]): one for one in drift["curves"]}
    always = [
        of for of in curves if of[0] in ("embeddings", "novelty", "confidence", "qualities") or of[1] == "unknown"
    ]
    return [curves[of] for of in dict.fromkeys([*changed, *always]) if of in curves]


def headline(document: Document) -> str:
    """The finding in one sentence."""
    drift = document["drift"]
    match drift["state"]:
        case "too few":
            return f"Too few images to judge: {count_of(drift['images'], 'different image')}, 50 are needed."
        case "alarm":
            since = "" if drift["began"] is None else f" since {day(drift['began']['at'])}"
            return f"Alarm: the images have changed{since}."
        case _:
            return f"No alarm: no change is shown in {count_of(drift['images'], 'image')}."


def rate_line(document: Document) -> str:
    """What the alarm promises."""
    return (
        f"False alarms: where nothing changes, at most {short_percent(document['drift']['rate'])} of models ever raise "
        "one, however often you look."
    )


def certainty_line(document: Document) -> str:
    """How certain an alarm is; empty without one."""
    drift = document["drift"]
    if drift["state"] != "alarm":
        return ""
    rate = "1 in a million" if drift["p_value"] < 1e-6 else short_percent(float(f"{drift['p_value']:.1g}"))
    return f"This alarm would also have been raised at a false-alarm rate of {rate}."


def accuracy_line(found: Document | None) -> str:
    """The estimated accuracy with its range."""
    if found is None:
        return "Accuracy: no estimate; the model file holds no reference for it."
    if found["value"] is None:
        return f"Estimated accuracy: none. {distrust_line(found)}".strip()
    low, high = percent(found["low"]), percent(found["high"])
    usual = found["reference"]
    beside = "" if usual is None else f"; the reference has {percent(usual, digits=1)}"
    sentence = (
        f"Estimated accuracy without labels: {percent(found['value'], digits=1)} ({low} to {high}, on "
        f"{count_of(found['images'], 'image')}){beside}."
    )
    return f"{sentence} {distrust_line(found)}".strip()


def distrust_line(found: Document) -> str:
    """Why the estimate cannot be trusted; empty where it can."""
    return " ".join(DISTRUST[reason] for reason in found["distrust"])


def caution_line(document: Document) -> str:
    """What the estimate cannot see although it is trusted; empty where nothing hints at it."""
    accuracy = document["accuracy"]
    shows_otherwise = any(one["kind"] in ("embeddings", "novelty") for one in document["drift"]["changes"])
    if not shows_otherwise or accuracy is None or accuracy["value"] is None or accuracy["distrust"]:
        return ""
    return (
        "A new class would show in the same way. Its answers would be wrong and the estimate too high: label some of "
        "the images."
    )


def feedback_line(found: Document | None) -> str:
    """The accuracy by feedback."""
    if found is None:
        return ""
    if not found["images"]:
        return "Feedback: none about these images."
    aside = [
        count_of(found[name], "image") + f" {words}"
        for name, words in (("unclear", "that nobody could tell"), ("disagreed", "on which people disagree"))
        if found[name]
    ]
    without = f" Left out: {', '.join(aside)}." if aside else ""
    if found["value"] is None:
        return f"Feedback: no image with a clear label.{without}"
    return (
        f"Accuracy by feedback: {percent(found['value'], digits=1)} ({percent(found['low'])} to "
        f"{percent(found['high'])}, on {count_of(found['judged'], 'image')}). People chose these images, so it may "
        f"differ from the accuracy on all.{without}"
    )


def change_line(change: Document) -> str:
    """One change in words.

    >>> change_line({"kind": "qualities", "name": "brightness", "before": 128.0, "after": 61.0})
    'The images are darker: median brightness 61 of 255, in the reference 128.'
    >>> change_line({"kind": "classes", "name": "shoes", "before": 0.06, "after": 0.31})
    '“shoes” is 31 % of the answers, in the reference 6 %.'
    """
    name, before, after = change["name"], change["before"], change["after"]
    match change["kind"]:
        case "qualities" | "confidence":
            return _median_line(change)
        case "classes" if name is None:
            return f"{percent(after)} of the answers fall on other classes than in the reference."
        case "classes":
            now, usual = _apart(after, before)
            return f"“{visible(name)}” is {now} of the answers, in the reference {usual}."
        case "verdicts":
            now, usual = _apart(after, before)
            return f"“{name}” is the verdict on {now} of the images, in the reference {usual}."
        case kind:
            return (
                _embedding_line(name, before, after) if kind == "embeddings" or name else _novelty_line(before, after)
            )


def _median_line(change: Document) -> str:
    """A quality or the confidence: its median has moved, or its values spread otherwise about one median.

    >>> change = {"kind": "qualities", "name": "aspect", "before": 1.0, "after": 0.998}
    >>> quartiles = {"before_quartiles": (0.98, 1.02), "after_quartiles": (0.75, 1.33)}
    >>> _median_line(change | quartiles)
    'The median aspect is 1.00, as in the reference; half of the images lie from 0.75 to 1.33, there from 0.98 to 1.02.'
    """
    name, before, after = change["name"] or "confidence", change["before"], change["after"]
    more, less, unit = QUALITY_WORDS.get(name, ("", "", ""))
    digits = 0 if max(abs(before), abs(after)) >= 20 else 2

    def shown(value: float) -> str:
        return f"{value:,.{digits}f}" if more else percent(value)

    if shown(after) == shown(before):
        now, usual = (" to ".join(map(shown, change[one])) for one in ("after_quartiles", "before_quartiles"))
        spread = f"half of the images lie from {now}, there from {usual}" if now != usual else "its extremes differ"
        return f"The median {name} is {shown(after)}{unit}, as in the reference; {spread}."
    if not more:
        return f"The median {name} is {shown(after)}, in the reference {shown(before)}."
    word = more if after > before else less
    return f"The images are {word}: median {name} {shown(after)}{unit}, in the reference {shown(before)}."


def _novelty_line(before: float, after: float) -> str:
    """How many images are strange.

    >>> _novelty_line(0.05, 0.08)
    'More images than expected look like nothing the model has learned: 8 % are as strange as the strangest 5 % were.'
    """
    now, usual = _apart(after, before)
    return (
        f"More images than expected look like nothing the model has learned: {now} are as strange as the strangest "
        f"{usual} were."
    )


def _apart(after: float, before: float) -> tuple[str, str]:
    """Two shares with the decimals, at most two, that show that they differ.

    >>> _apart(0.31, 0.06), _apart(0.244, 0.241)
    (('31 %', '6 %'), ('24.4 %', '24.1 %'))
    """
    pairs = [(percent(after, digits=digits), percent(before, digits=digits)) for digits in range(3)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def _embedding_line(name: str | None, before: float, after: float) -> str:
    """Where the embeddings of all images, or of the strangest fifth, have moved to."""
    moved = f"their embeddings lie {after - before:.2g} standard deviations from the"
    if name is None:
        return f"The images show something else, or show it otherwise: {moved} reference's mean."
    return (
        "The images that look least like what the model has learned are not those of before: "
        f"{moved} mean of the reference's strangest fifth."
    )


def axis_of(kind: str, name: str | None) -> tuple[str, str, bool]:
    """Title and axis of a curve, and whether its values are shares."""
    match kind:
        case "qualities":
            return f"{name}".capitalize(), QUALITY_AXES[str(name)], False
        case "classes" if name is None:
            return "Shares of the classes", "share that has moved", True
        case "classes":
            return f"Answers “{visible(name)}”", "share of the answers", True
        case "verdicts":
            return f"Verdict “{name}”", "share of the images", True
        case "confidence":
            return "Confidence", "median", True
        case kind:
            return NOVELTY_AXES[kind, name]


def traffic_line(document: Document) -> str:
    """What was looked at."""
    seen = document["traffic"]
    if not seen["images"]:
        return "Looked at: no image."
    again = seen["rows"] - seen["images"]
    repeated = f" {count_of(again, 'repeated image')} counted once." if again else ""
    return (
        f"Looked at: {count_of(seen['images'], 'different image')} from {moment(seen['first'])} to "
        f"{moment(seen['last'])}.{repeated}"
    )


def left_out_line(document: Document) -> str:
    """Rows that say nothing; empty where there are none."""
    seen = document["traffic"]
    parts = [
        f"{count_of(seen[name], 'row')} {words}"
        for name, words in (
            ("refused", "about images that could not be used"),
            ("incomplete", "without probabilities or what the reference needs"),
        )
        if seen[name]
    ]
    return f"Left out: {', '.join(parts)}." if parts else ""


def terminal_lines(document: Document) -> list[str]:
    """All of it for a terminal, the finding first."""
    since = document["accuracy_since_change"]
    lines = [
        headline(document),
        *(f"  {change_line(one)}" for one in document["drift"]["changes"]),
        accuracy_line(document["accuracy"]),
        "" if since is None else f"Since the change: {accuracy_line(since)[0].lower()}{accuracy_line(since)[1:]}",
        caution_line(document),
        feedback_line(document["feedback"]),
        traffic_line(document),
        left_out_line(document),
        rate_line(document),
    ]
    return [line for line in lines if line]


def day(seconds: float) -> str:
    """A day as people write it.

    >>> day(0.0)
    '1 January 1970'
    """
    date = datetime.fromtimestamp(seconds, UTC)
    return f"{date.day} {date:%B %Y}"


def moment(seconds: float) -> str:
    """A moment, UTC.

    >>> moment(0.0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
