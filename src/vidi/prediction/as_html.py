"""What a notebook shows of a loaded model file."""

from collections.abc import Mapping
from html import escape

from vidi.files import escape_path
from vidi.model_file.limits import describe_refuted
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json
from vidi.numbers import percent

MOST_CLASSES_SHOWN = 20


def model_as_html(model: ModelFile) -> str:
    """A small table: what the model tells apart, how good it was on its test part, where it came from."""
    metadata = model.metadata
    height, width = metadata.framing.size
    origin = metadata.provenance
    classes = ", ".join(escape_path(name) for name in metadata.classes[:MOST_CLASSES_SHOWN])
    more = len(metadata.classes) - MOST_CLASSES_SHOWN
    rows = {
        "classes": f"{len(metadata.classes):,}: {classes}{f' and {more:,} more' if more > 0 else ''}",
        "test": metadata.unfinished or _test(metadata.test, what=_right(metadata)),
        "refuted": "" if metadata.refuted is None else f"{describe_refuted(metadata.refuted)}, by its own test",
        "probabilities": _calibration(model),
        "network": f"{origin.network or 'unnamed'}, sees {height} × {width} pixels (height × width)",
        "model": f"{model.model_id}, {escape_path(origin.run) or 'unnamed'}, written {origin.date or 'some day'}",
    }
    return table_as_html("Image classifier", rows)


def table_as_html(title: str, rows: Mapping[str, str]) -> str:
    """A title and rows of a name and a text; both are escaped.

    >>> table_as_html("A", {"b": "<c>"})
    '<table><caption><b>A</b></caption><tr><th>b</th><td style="text-align:left">&lt;c&gt;</td></tr></table>'
    """
    body = "".join(
        f'<tr><th>{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows.items()
        if text
    )
    return f"<table><caption><b>{escape(title)}</b></caption>{body}</table>"


def _right(metadata: ModelMetadata) -> str:
    return "right about every class" if metadata.multi_label else "accuracy"


def _test(test: Mapping[str, Json] | None, *, what: str) -> str:
    """The accuracy with its interval and n."""
    accuracy = None if test is None else test.get("accuracy")
    if not isinstance(accuracy, Mapping) or not isinstance(value := accuracy.get("value"), int | float):
        return "not tested: nobody knows how good it is"
    low, high = accuracy.get("low"), accuracy.get("high")
    between = (
        f", 95 % interval {percent(low, digits=1)} to {percent(high, digits=1)}"
        if isinstance(low, float) and isinstance(high, float)
        else ""
    )
    return f"{what} {percent(value, digits=1)} on {accuracy.get('n'):,} images{between}"


def _calibration(model: ModelFile) -> str:
    calibration = model.metadata.calibration
    if calibration is None:
        return "not calibrated"
    if calibration.method == "none":
        return f"left as they are: {calibration.image_count:,} images gave no reason to change them"
    return f"calibrated ({calibration.method}) on {calibration.image_count:,} images"
