"""A comparison's folder: compare.json, compare.html and disagreements.csv."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.data.dataset import Dataset
from vidi.errors import GateError
from vidi.evaluation.answers import Answers, name_truths
from vidi.evaluation.comparison import (
    KINDS,
    NONE,
    Comparison,
    PairedAnswers,
    choose_shown,
    compare_answers,
    find_disagreements,
    pair_answers,
    write_disagreements,
)
from vidi.evaluation.match import ClassMatch
from vidi.files import escape_path, write_atomic
from vidi.images.account import Account
from vidi.images.store import ImageStore
from vidi.model_file.read import ModelFile
from vidi.prediction.as_html import table_as_html
from vidi.report.pages.compare import MOST_OF_A_KIND, draw_classes, headline, model_names, write_compare_page
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.interaction.run_folder import COMPARISON, RUN_SCHEMA, read_document
from vidi.workflows.requests.data import DataRequest

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing

PAGE = "compare.html"
TABLE = "disagreements.csv"
NOT_SHARED = ("class-not-shared", "At least one of the models does not know its class.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """Result of a comparison."""

    folder: Path  # holds compare.json, compare.html and disagreements.csv
    comparison: Comparison = field(repr=False)  # differences, intervals and verdicts
    sentence: str  # the result in words
    account: Account = field(repr=False)  # which files were used, set aside, refused or ignored

    def plot(self) -> "Drawing":
        """Draw the difference on all images and for each class; a notebook shows it, and its `save` writes it."""
        from vidi.figures.drawing import side_by_side

        return side_by_side([draw_classes(read_comparison(self.folder))])

    def _repr_html_(self) -> str:
        document = read_comparison(self.folder)
        about = [f"{model['path']}, model {model['id']}" for model in document["models"].values()]
        models = dict(zip(model_names(document), about, strict=True))
        return table_as_html(document["sentence"], {**models, "folder": escape_path(self.folder)})

    def require_better(self) -> None:
        """Require that the second model is better than the first.

        Raises:
            GateError: it is not better, or the images do not show it.
        """
        overall = self.comparison.overall
        if overall.verdict == "better":
            return
        more = "" if overall.more_images is None else f", or compare them on about {overall.more_images:,} more images"
        first, second = model_names(read_comparison(self.folder))
        raise GateError(f"{second} is not shown to be better than {first}", f"Keep {first}{more}.")


def read_comparison(folder: Path) -> dict[str, Any]:
    """Read the document of a comparison; raises like `read_document`."""
    return read_document(folder, COMPARISON, made_by="a comparison by `vidi compare`")


@dataclass(frozen=True, slots=True, kw_only=True)
class BothAnswered:
    """Answers of two models about the same images, and what compare.json names beside them."""

    first: Answers
    second: Answers
    paired: PairedAnswers
    truths: Sequence[str]  # what each image shows, as the data names it
    models: Sequence[Mapping[str, object]]  # A and B
    data: Mapping[str, str]  # its name, source and reader
    asked: DataRequest
    account: Account


def both_answered(
    dataset: Dataset,
    answers: Sequence[Answers],
    matches: Sequence[ClassMatch],
    *,
    models: Sequence[Mapping[str, object]],
    asked: DataRequest,
    account: Account,
) -> BothAnswered:
    """Pair the answers of two models about the same images of a data set, in the same order.

    Where images may show several classes, only those that both models know are looked at, as the data calls them.
    """
    first, second = answers
    classes, shown = dataset.classes, dataset.targets()[first.rows]
    truths = name_truths(classes, [dataset.images[row].labels for row in first.rows.tolist()])
    if first.several is not None:
        known = [
            row
            for row in range(len(dataset.classes))
            if all(match.names[row] in one.classes for one, match in zip(answers, matches, strict=True))
        ]
        classes, shown = tuple(dataset.classes[row] for row in known), shown[:, known]
        first, second = (
            one.about([one.classes.index(match.names[row]) for row in known], classes)
            for one, match in zip(answers, matches, strict=True)
        )
        truths = tuple(truth or NONE for truth in first.truths)
    return BothAnswered(
        first=first,
        second=second,
        paired=pair_answers(first, second, classes, shown),
        truths=truths,
        models=models,
        data={"name": dataset.name, "source": escape_path(dataset.source), "reader": dataset.reader},
        asked=asked,
        account=account,
    )


def name_compared(path: Path, model: ModelFile, *, uses: int, knows: bool) -> dict[str, object]:
    """One of two models as compare.json names it.

    Args:
        uses: how often these images were used to score it, this time included.
        knows: whether it states what it was trained on.
    """
    return {
        "path": escape_path(path),
        "id": model.model_id,
        "run": model.metadata.provenance.run,
        "classes": len(model.metadata.classes),
        "knows_what_it_learned": knows,
        "test_uses": uses,
    }


def write_comparison(folder: Path, both: BothAnswered, *, images: bool, store: ImageStore | None) -> CompareResult:
    """Compare two models by their answers, and write what was found.

    Args:
        images: whether the page may show any, now and when it is written again.
        store: where they are; None: they are not shown.

    Raises:
        ResourceError: the results cannot be written.
    """
    comparison = compare_answers(both.paired)
    disagreements = find_disagreements(both.first, both.second, both.truths)
    document: dict[str, Any] = {
        "schema": RUN_SCHEMA,
        "task": both.first.truth.outputs.task,
        "models": dict(zip("AB", both.models, strict=True)),
        "data": dict(both.data),
        **comparison.as_json(),
        "disagreements": {
            "counts": {kind: sum(one.kind == kind for one in disagreements) for kind in KINDS},
            "shown": [one.as_json() for one in choose_shown(disagreements, most=MOST_OF_A_KIND)],
        },
        "account": both.account.as_json(),
        "request": {"data": asdict(both.asked), "images": images},
    }
    document["sentence"] = headline(document)
    write_disagreements(folder / TABLE, disagreements)
    write_atomic(folder / COMPARISON, json.dumps(document, allow_nan=False, indent=1) + "\n")
    write_compare_page(folder / PAGE, document, store=store, options=decode_options(both.asked))
    return CompareResult(folder=folder, comparison=comparison, sentence=str(document["sentence"]), account=both.account)
