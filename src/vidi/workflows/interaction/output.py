"""Answers as a table, a JSON document, JSON lines or CSV, written as they come.

Paths are text that is safe on a terminal and can be read back exactly (`vidi.files.escape_path`).
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from vidi.errors import ImageError
from vidi.files import MARK, escape_in_list, escape_path, write_rows, written_atomically
from vidi.images.account import Account
from vidi.model_file.limits import VERDICTS
from vidi.model_file.read import ModelFile
from vidi.numbers import percent
from vidi.prediction.prediction import SCHEMA_VERSION, Answer, Prediction, model_as_json

WIDEST_PATH = 60  # columns; longer paths push their row to the right instead of being cut


def write_table(
    answers: Iterable[Answer],
    stream: TextIO,
    *,
    paths: Sequence[str],
    top: int = 1,
    paint: Callable[[str], str] = str,
) -> None:
    """Write lines: path, verdict, answer, probabilities where several are asked for, decision, remarks.

    Args:
        paths: all paths that will come, for the width of the first column.
        paint: gives a verdict its colour, where the lines go to a terminal.
    """
    width = min(WIDEST_PATH, max((text_width(escape_path(path)) for path in paths), default=4))
    for answer in answers:
        path = escape_path(answer.path)
        stream.write(f"{path}{' ' * (width - text_width(path))}  {_line(answer, top, paint)}\n")


def _line(answer: Answer, top: int, paint: Callable[[str], str]) -> str:
    """The verdict in a column of its own, then the answer; probabilities only where more than one is asked for."""
    outcome = answer.outcome
    if isinstance(outcome, ImageError):
        return f"{_column('refused', paint)}  {outcome.code}. {escape_path(outcome.cause)}"
    if outcome.verdict is None:
        shown = [_with_probabilities(outcome, max(top, len(outcome.predicted)))]
    else:
        shown = [_column(outcome.verdict, paint), outcome.describe()]
        if top > 1 and outcome.verdict != "unknown":
            shown.append(f"({_with_probabilities(outcome, top)})")
    if outcome.decision is not None and not (outcome.multi_label and outcome.verdict):
        shown.append(f"→ {', '.join(map(escape_path, outcome.decision)) or 'none'}")
    notes = f"  ({', '.join(answer.notes)})" if answer.notes else ""
    return "  ".join(shown) + notes


def _with_probabilities(prediction: Prediction, count: int) -> str:
    return ", ".join(f"{escape_path(label)} {percent(value, digits=1)}" for label, value in prediction.top(count))


def _column(verdict: str, paint: Callable[[str], str]) -> str:
    """A verdict in its colour, and blanks up to the width of the longest."""
    return paint(verdict) + " " * (max(map(len, (*VERDICTS, "refused"))) - len(verdict))


def text_width(text: str) -> int:
    """Count columns on a terminal: wide East Asian characters take two, combining marks none.

    >>> text_width("猫.jpg")
    6
    """
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Rows as lines in columns.

    >>> aligned([("run", "images"), ("cats", "75")], right={1})
    ['run   images', 'cats      75']
    """
    widths = [max(text_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        blanks = [" " * (width - text_width(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [
            blank + cell if column in right else cell + blank
            for column, (cell, blank) in enumerate(zip(row, blanks, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def write_json(
    answers: Iterable[Answer], stream: TextIO, *, model: ModelFile, account: Account, top: int | None = None
) -> None:
    """Write one JSON document: schema, model, predictions, account.

    Args:
        account: complete when `answers` are used up, and so written last.
        top: number of most probable classes per image; all classes in the model's order by default.
    """
    documents = (answer.written(top=top).as_json() for answer in answers)
    write_document(documents, stream, name="predictions", model=model, account=account)


def write_document(
    items: Iterable[Mapping[str, object]], stream: TextIO, *, name: str, model: ModelFile, account: Account
) -> None:
    """Write one JSON document: schema, model, items under a name, account; the items are written as they come."""
    stream.write(f'{{"schema": {SCHEMA_VERSION}, "model": {json.dumps(model_as_json(model))}, "{name}": [')
    separator = "\n"
    for item in items:
        stream.write(separator + json.dumps(item, allow_nan=False))
        separator = ",\n"
    stream.write(f'\n], "account": {json.dumps(account.as_json())}}}\n')


def write_json_lines(
    answers: Iterable[Answer], stream: TextIO, *, model: ModelFile, account: Account, top: int | None = None
) -> None:
    """Write the objects of `write_json`, one per line, as they come; the account is the last line."""
    for answer in answers:
        stream.write(json.dumps(answer.written(top=top).as_json(), allow_nan=False) + "\n")
        stream.flush()
    last = {"schema": SCHEMA_VERSION, "model": model_as_json(model), "account": account.as_json()}
    stream.write(json.dumps(last) + "\n")


def write_csv(answers: Iterable[Answer], stream: TextIO, *, classes: Sequence[str], top: int | None = None) -> None:
    """Write CSV: path, label, probability, verdict, candidates, decision, error, notes, and each class.

    Args:
        classes: the model's, in its order.
        top: number of columns `label_1, probability_1, label_2 …` instead of one for each class.
    """
    write_rows(_csv_rows(answers, classes, top), stream)


def _csv_rows(answers: Iterable[Answer], classes: Sequence[str], top: int | None) -> Iterator[list[str]]:
    ranks = range(1, min(top, len(classes)) + 1) if top is not None else ()
    further = [name for rank in ranks for name in (f"label_{rank}", f"probability_{rank}")]
    columns = further if top is not None else [f"p:{escape_path(name)}" for name in classes]
    head = ["path", "label", "probability", "verdict", "candidates", "decision", "error", "notes"]
    yield [*head, *columns]
    for answer in answers:
        prediction = answer.prediction
        fixed: list[str] = [escape_path(answer.path), "", "", "", "", "", answer.error.code if answer.error else ""]
        values: list[str] = [""] * len(columns)
        if prediction is not None:
            fixed[1:3] = escape_path(prediction.label), _short(prediction.probability)
            fixed[3:5] = prediction.verdict or "", "|".join(map(escape_in_list, prediction.candidates))
            fixed[5] = "|".join(map(escape_in_list, prediction.decision or ()))
            if top is None:
                values = [_short(value) for value in prediction.probabilities]
            else:
                pairs = prediction.top(len(ranks))
                values = [text for label, value in pairs for text in (escape_path(label), _short(value))]
        yield [*fixed, " ".join(answer.notes), *values]


def _short(value: float) -> str:
    return f"{float(value):.7g}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the writers need besides the answers."""

    model: ModelFile
    classes: Sequence[str]
    account: Account  # complete when the answers are used up
    paths: Sequence[str]  # all that will come
    top: int | None  # how many classes to show for each image; None: as the form does by itself
    paint: Callable[[str], str] = str  # gives a verdict its colour on a terminal


Writer = Callable[[Iterable[Answer], TextIO, Shown], None]


WRITERS: Mapping[str, Writer] = {
    "table": lambda answers, stream, shown: write_table(
        answers, stream, paths=shown.paths, top=shown.top or 1, paint=shown.paint
    ),
    "json": lambda answers, stream, shown: write_json(
        answers, stream, model=shown.model, account=shown.account, top=shown.top
    ),
    "jsonl": lambda answers, stream, shown: write_json_lines(
        answers, stream, model=shown.model, account=shown.account, top=shown.top
    ),
    "csv": lambda answers, stream, shown: write_csv(answers, stream, classes=shown.classes, top=shown.top),
}


@contextmanager
def output_stream(output: Path | None, *, is_marked: bool = False) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole when all is written; marked, a spreadsheet knows it as UTF-8."""
    if output is None:
        yield sys.stdout
        return
    with written_atomically(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        if is_marked:
            stream.write(MARK)
        yield stream
