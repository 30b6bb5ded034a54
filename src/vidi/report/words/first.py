"""The first lines about a model, what to know before believing them, and what to do next."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from vidi.data.checking.findings import FEW_TO_MEASURE
from vidi.evaluation.document import Metrics
from vidi.files import escape_path
from vidi.report.pages.render import visible
from vidi.report.pages.run_files import METRICS, read_metrics
from vidi.report.words.counting import count_of
from vidi.report.words.sentences import WORTH_IT, headline, more_images
from vidi.report.words.two_parts import differing, differing_details, differing_headline, refutations

UNSTATED = (
    "Neither the model file nor its run folder lists the training images. On images that it was trained on, a model is "
    "more accurate than on others."
)


def first_line(metrics: Metrics) -> str:
    """The result in one sentence, for the terminal, the report and the model card.

    Args:
        metrics: of a run or an evaluation.
    """
    parts = differing(metrics)
    return headline(metrics.parts.test, unseen=is_unseen(metrics)) if parts is None else differing_headline(parts)


MOST_STEPS = 3
FEW_SURE = 0.5  # of the answers; where fewer are sure, wrong labels are a likely reason


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do about a finding."""

    sentence: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.sentence} {self.command}".rstrip()


def next_steps(metrics: Metrics, folder: Path) -> tuple[NextStep, ...]:
    """What to do next about what was found, at most three steps.

    Args:
        metrics: of a run or an evaluation.
        folder: of the run, for its commands.
    """
    found = (_look_at_labels(metrics, folder), _look_at_test_labels(metrics), _add_images(metrics))
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


def _look_at_test_labels(metrics: Metrics) -> NextStep | None:
    count = len(metrics.labels.doubted_test_labels)
    if not count:
        return None
    counts = "a wrong label counts as a mistake of the model"
    return NextStep(f"{count_of(count, 'label')} of test images may be wrong; {counts}. The report shows them.")


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
    return metrics.learnt_from is None or metrics.learnt_from.unseen


def reservations(metrics: Metrics) -> tuple[str, ...]:
    """What must be known before the first line is believed; empty where nothing stands against it.

    Args:
        metrics: of a run or an evaluation.
    """
    parts = differing(metrics)
    return (
        *(() if is_unseen(metrics) else (UNSTATED,)),
        *refutations(metrics),
        *(() if parts is None else differing_details(parts)),
    )


def other_tested(metrics: Metrics, model_id: str) -> tuple[str, ...]:
    """That the figures were measured before the model file was calibrated again; empty where they were not.

    Args:
        metrics: of a run.
        model_id: of the model file that lies there now.
    """
    tested = metrics.origin.model
    if tested is None or not tested.id or tested.id == model_id:
        return ()
    return (f"The figures are of model {tested.id}. This is model {model_id}, with another calibration.",)


def read_first(folder: Path) -> tuple[tuple[str, ...], tuple[NextStep, ...]]:
    """The first line with the reservations, and the next steps, one line each for a terminal.

    Args:
        folder: of a run or an evaluation, with its metrics.json.
    """
    metrics = read_metrics(folder / METRICS)
    return (first_line(metrics), *reservations(metrics)), next_steps(metrics, folder)
