"""predictions.csv, label_errors.csv and metrics.json: the rows of each, its reader and its writer.

What is not there is read as None or empty; what is damaged is an error.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vidi.data.checked import SuspectLabel
from vidi.errors import DataError
from vidi.evaluation.answers import Answers, join_names
from vidi.evaluation.document import Metrics
from vidi.evaluation.sections import AccountFacts
from vidi.files import (
    escape_in_list,
    escape_path,
    read_csv_rows,
    read_json,
    unescape_path,
    write_atomic,
    write_csv_atomic,
)
from vidi.metrics.truth import OneClass, Truth
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.values import from_plain
from vidi.prediction.prediction import Prediction, decide

METRICS, PREDICTIONS, LABEL_ERRORS = "metrics.json", "predictions.csv", "label_errors.csv"
AGAIN = "Write the figures again with `vidi evaluate`, or finish the run with `vidi train --resume RUN --finish`."
PREDICTION_COLUMNS = (
    "path",
    "digest",
    "part",
    "group",
    "near_duplicate",
    "label",
    "predicted",
    "probability",
    "label_probability",
    "verdict",
    "candidates",
    "decision",
)
MOST_CLASSES_IN_TABLE = 200  # above, only the two probabilities above are written
SUSPECT_COLUMNS = (
    "rank",
    "path",
    "digest",
    "part",
    "label",
    "suggested",
    "self_confidence",
    "suggested_confidence",
    "left_out",
)
YES = "yes"


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


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What a run folder holds, the epochs of its training apart: `vidi.training.loop.progress.read_results`."""

    folder: Path
    metrics: Metrics  # without any section where the run was not evaluated
    answers: tuple[AnsweredImage, ...]
    recipe: Mapping[str, Any]
    check: Mapping[str, Any]
    model: ModelFile | None
    suspects: tuple[SuspectLabel, ...]  # the least believable label first

    @property
    def account(self) -> AccountFacts | None:
        """What became of every file: as the check says, else as the evaluation does."""
        checked = self.check.get("account")
        return from_plain(AccountFacts, checked) if checked else self.metrics.account


def read_run(folder: Path) -> RunFiles:
    """Read a run folder or an evaluation's folder.

    Raises:
        DataError: a file in it is damaged; it is named.
        ModelError: its model file is damaged.
    """
    model = folder / "model.onnx"
    return RunFiles(
        folder=folder,
        metrics=read_metrics(folder),
        answers=read_answers(folder),
        recipe=_read_recipe(folder / "recipe.toml"),
        check=_read_json(folder / "check.json"),
        model=read_model(model) if model.is_file() else None,
        suspects=read_suspects(folder),
    )


def read_answers(folder: Path) -> tuple[AnsweredImage, ...]:
    """Read predictions.csv; empty without one.

    Raises:
        DataError: it is damaged.
    """
    return read_csv_rows(folder / PREDICTIONS, _answer, remedy=AGAIN)


def read_metrics(folder: Path) -> Metrics:
    """Read metrics.json; one that is not there has no section.

    Raises:
        DataError: it is damaged.
    """
    path = folder / METRICS
    entries = _read_json(path)
    try:
        return Metrics.from_json(entries)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Write metrics.json whole. No data is null; a NaN is a bug and raises ValueError."""
    text = json.dumps(metrics.as_json(), allow_nan=False, ensure_ascii=True, indent=1)
    write_atomic(folder / METRICS, text + "\n")


def read_suspects(folder: Path) -> tuple[SuspectLabel, ...]:
    """Read label_errors.csv, the least believable label first; empty without one.

    Raises:
        DataError: it is damaged.
    """
    return read_csv_rows(folder / LABEL_ERRORS, _suspect, remedy=AGAIN)


def find_run_suspects(folder: Path) -> tuple[SuspectLabel, ...]:
    """The labels that a run doubts, in images that it was trained on and that it was tested on, the worst first.

    Raises:
        DataError: one of its files is damaged.
    """
    doubted = {one.path: one for one in read_metrics(folder).labels.doubted_test_labels}
    answers = read_answers(folder) if doubted else ()
    tested = (
        SuspectLabel(
            path=one.path,
            digest=one.digest,
            part=one.part,
            label=doubted[escape_path(one.path)].label,
            suggested=doubted[escape_path(one.path)].suggested,
            confidence=one.truth_probability or 0.0,
            suggested_confidence=one.probability,
        )
        for one in answers
        if escape_path(one.path) in doubted
    )
    return tuple(sorted((*read_suspects(folder), *tested), key=lambda one: one.confidence))


def _suspect(row: Mapping[str, str]) -> SuspectLabel:
    return SuspectLabel(
        path=unescape_path(row["path"]),
        digest=row["digest"],
        part=row["part"],
        label=row["label"],
        suggested=row["suggested"],
        confidence=float(row["self_confidence"]),
        suggested_confidence=float(row["suggested_confidence"]),
        is_left_out=row["left_out"] == YES,
    )


def write_suspects(folder: Path, suspects: Sequence[SuspectLabel]) -> None:
    """Write label_errors.csv whole."""
    rows = (
        [
            rank,
            escape_path(one.path),
            one.digest,
            one.part,
            one.label,
            one.suggested,
            f"{one.confidence:.6g}",
            f"{one.suggested_confidence:.6g}",
            YES if one.is_left_out else "",
        ]
        for rank, one in enumerate(suspects, start=1)
    )
    write_csv_atomic(folder / LABEL_ERRORS, [SUSPECT_COLUMNS, *rows])


def _answer(row: Mapping[str, str]) -> AnsweredImage:
    return AnsweredImage(
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


def _others(candidates: str, *, said: str) -> tuple[str, ...]:
    """The candidates beside what was said, which may be several classes.

    >>> _others("ant|bee|cat", said="bee"), _others("ant|bee|cat", said="ant|bee"), _others("", said="")
    (('ant', 'cat'), ('cat',), ())
    """
    already = {"", unescape_path(said), *map(unescape_path, said.split("|"))}
    return tuple(name for name in map(unescape_path, candidates.split("|")) if name not in already)


def write_predictions(folder: Path, answers: Answers, metadata: ModelMetadata) -> None:
    """Write predictions.csv whole: one row for each image, paths escaped so that they can be read back exactly.

    Args:
        metadata: of the model; its limits give verdict and candidates.

    After the fixed columns stands one column `p:CLASS` for each class, where there are at most 200. Where images may
    show several classes, `label` and `predicted` hold them joined by `|`, and the two probabilities are those of all
    that was said and of all that is true, the classes taken as independent.
    """
    names = answers.classes if len(answers.classes) <= MOST_CLASSES_IN_TABLE else ()
    rows: list[list[str]] = [[*PREDICTION_COLUMNS, *(f"p:{escape_path(name)}" for name in names)]]
    truth, predicted = answers.truth, answers.predicted.tolist()
    for row in range(len(answers.paths)):
        probabilities = answers.probabilities[row]
        shipped = decide(probabilities, metadata, novelty=answers.novelty_of(row))
        rows.append(
            [
                escape_path(answers.paths[row]),
                answers.digests[row],
                answers.parts[row],
                escape_path(answers.groups[row]),
                YES if answers.near_duplicates[row] else "",
                *_said_and_true(answers, truth.at(np.array([row])), row, predicted[row], shipped),
                shipped.verdict or "",
                "|".join(map(escape_in_list, shipped.candidates)),
                "|".join(map(escape_in_list, shipped.decision or ())),
                *(_short(value) for value in (probabilities if names else ())),
            ]
        )
    write_csv_atomic(folder / PREDICTIONS, rows)


def _said_and_true(answers: Answers, truth: Truth, row: int, predicted: int, shipped: Prediction) -> list[str]:
    """The cells label, predicted, probability and label_probability of one image, given the truth about it alone."""
    probabilities = answers.probabilities[row]
    if isinstance(truth, OneClass):
        label = int(truth.labels[0])
        said, true = probabilities[predicted], probabilities[label] if label >= 0 else None
        texts = [escape_path(answers.truths[row]), escape_path(answers.classes[predicted])]
        return [*texts, _short(said), "" if true is None else _short(true)]
    called, shown = np.isin(answers.classes, shipped.decision or ()), truth.shown[0]
    return [
        join_names(answers.classes, shown),
        join_names(answers.classes, called),
        _short(np.where(called, probabilities, 1 - probabilities).prod()),
        _short(np.where(shown, probabilities, 1 - probabilities).prod()),
    ]


def _short(probability: float) -> str:
    return f"{float(probability):.6g}"


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


def _read_recipe(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{escape_path(path)} cannot be read: {why}", AGAIN)
