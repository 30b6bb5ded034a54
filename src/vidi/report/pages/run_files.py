"""What a run folder holds, read for the report; what is not there is None or empty, what is damaged is an error."""

import csv
import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidi.errors import DataError
from vidi.evaluation.document import Metrics
from vidi.files import escape_path, read_csv_text, read_json, unescape_path
from vidi.model_file.read import ModelFile, read_model
from vidi.prediction.words import describe_answer
from vidi.report.words.text import visible

METRICS, PREDICTIONS, HISTORY = "metrics.json", "predictions.csv", "results.csv"
RECIPE, CHECK, MODEL, LABEL_ERRORS = "recipe.toml", "check.json", "model.onnx", "label_errors.csv"


@dataclass(frozen=True, slots=True)
class AnsweredImage:
    """One row of predictions.csv."""

    path: str  # as the store names it
    digest: str
    part: str
    truth: str
    predicted: str
    probability: float  # of the predicted class
    truth_probability: float | None  # of the true class; None where it is foreign to the model
    verdict: str = ""  # sure, unsure or unknown; empty where the model states no limits
    others: tuple[str, ...] = ()  # further candidates
    group: str = ""  # images of one group are not independent; empty where it stands alone

    @property
    def is_right(self) -> bool:
        return self.truth == self.predicted

    def describe(self, *, several: bool = False) -> str:
        """What the image shows, as far as the verdict allows it to be said; safe to show.

        Args:
            several: an image may show several classes.
        """
        said = [name for name in self.predicted.split("|") if name] if several else [self.predicted]
        return describe_answer(self.verdict, [*map(visible, said)], [*map(visible, self.others)], several=several)


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """One row of label_errors.csv."""

    path: str  # as the store names it
    digest: str
    part: str
    label: str
    suggested: str
    confidence: float  # the probability of its label, by a model that has not seen it
    suggested_confidence: float
    is_left_out: bool  # of training


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of results.csv."""

    number: int
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    images_per_second: float | None
    seconds: float | None
    limited_by: str


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Everything that the report is made from."""

    folder: Path
    metrics: Metrics  # without any section where the run was not evaluated
    answers: tuple[AnsweredImage, ...]
    history: tuple[Epoch, ...]
    recipe: Mapping[str, Any]
    check: Mapping[str, Any]
    model: ModelFile | None
    suspects: tuple[SuspectLabel, ...]  # the least believable label first


def read_run(folder: Path) -> RunFiles:
    """Read a run folder or an evaluation's folder.

    Raises:
        DataError: a file in it is damaged; it is named.
        ModelError: its model file is damaged.
    """
    return RunFiles(
        folder=folder,
        metrics=read_metrics(folder / METRICS),
        answers=_read_answers(folder / PREDICTIONS),
        history=_read_history(folder / HISTORY),
        recipe=_read_recipe(folder / RECIPE),
        check=_read_json(folder / CHECK),
        model=read_model(folder / MODEL) if (folder / MODEL).is_file() else None,
        suspects=read_suspects(folder),
    )


def _read_text(path: Path) -> str | None:
    try:
        return read_csv_text(path)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it holds no JSON object")
    return content


def read_metrics(path: Path) -> Metrics:
    """Read a metrics.json; one that is not there has no section.

    Raises:
        DataError: it is damaged.
    """
    entries = _read_json(path)
    try:
        return Metrics.from_json(entries)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _read_recipe(path: Path) -> Mapping[str, Any]:
    text = _read_text(path)
    try:
        return {} if text is None else tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _damaged(path, str(error)) from error


def _others(candidates: str, *, said: str) -> tuple[str, ...]:
    """The candidates beside what was said, which may be several classes.

    >>> _others("ant|bee|cat", said="bee"), _others("ant|bee|cat", said="ant|bee"), _others("", said="")
    (('ant', 'cat'), ('cat',), ())
    """
    already = {"", unescape_path(said), *map(unescape_path, said.split("|"))}
    return tuple(name for name in map(unescape_path, candidates.split("|")) if name not in already)


def _read_answers(path: Path) -> tuple[AnsweredImage, ...]:
    text = _read_text(path)
    if text is None:
        return ()
    try:
        return tuple(
            AnsweredImage(
                path=unescape_path(row["path"]),
                digest=row["digest"],
                group=unescape_path(row.get("group") or ""),
                part=row["part"],
                truth=unescape_path(row["label"]),
                predicted=unescape_path(row["predicted"]),
                probability=float(row["probability"]),
                truth_probability=float(row["label_probability"]) if row["label_probability"] else None,
                verdict=row.get("verdict") or "",
                others=_others(row.get("candidates") or "", said=row["predicted"]),
            )
            for row in csv.DictReader(io.StringIO(text, newline=""))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def read_suspects(folder: Path) -> tuple[SuspectLabel, ...]:
    """Read the label_errors.csv of a run, the least believable label first; empty without one.

    Raises:
        DataError: it is damaged.
    """
    path = folder / LABEL_ERRORS
    text = _read_text(path)
    if text is None:
        return ()
    try:
        return tuple(
            SuspectLabel(
                path=unescape_path(row["path"]),
                digest=row["digest"],
                part=row["part"],
                label=unescape_path(row["label"]),
                suggested=unescape_path(row["suggested"]),
                confidence=float(row["self_confidence"]),
                suggested_confidence=float(row["suggested_confidence"]),
                is_left_out=row["left_out"] == "yes",
            )
            for row in csv.DictReader(io.StringIO(text, newline=""))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _read_history(path: Path) -> tuple[Epoch, ...]:
    text = _read_text(path)
    if text is None:
        return ()
    try:
        return tuple(
            Epoch(
                number=int(row["epoch"]),
                train_loss=_number(row, "train_loss"),
                train_accuracy=_number(row, "train_accuracy"),
                validation_loss=_number(row, "validation_loss"),
                validation_accuracy=_number(row, "validation_accuracy"),
                images_per_second=_number(row, "images_per_second"),
                seconds=_number(row, "seconds"),
                limited_by=row.get("limited_by") or "",
            )
            for row in csv.DictReader(io.StringIO(text, newline=""))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _number(row: Mapping[str, str | None], name: str) -> float | None:
    text = row.get(name)
    return float(text) if text else None


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"{escape_path(path)} cannot be read: {why}",
        "Write the figures again with `vidi evaluate`, or finish the run with `vidi train --resume RUN --finish`.",
    )
