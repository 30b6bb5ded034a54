"""The output of `vidi explain`: a page for each image, a line for a terminal, a document for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidi.data.inputs import FoundInputs
from vidi.errors import ImageError
from vidi.explanation.maps import regions_as_json, rounded_rows
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json
from vidi.prediction.stream import Answer
from vidi.report.explanation import Explanation
from vidi.report.pages.explain import write_explanation
from vidi.workflows.explaining.image import Explained
from vidi.workflows.interaction.output import answer_as_json, model_as_json, write_table
from vidi.workflows.interaction.places import page_names, require_own

SCHEMA_VERSION = 1
PAGES = Path("explanations")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """Result for one path, and the path of its page."""

    explained: Explained
    page: Path | None  # None where the image could not be used


def write_pages(
    explained: Iterator[Explained],
    found: Sequence[FoundInputs],
    model: ModelFile,
    *,
    folder: Path | None,
    with_images: bool,
) -> Iterator[WrittenPage]:
    """Write the pages as the explanations come.

    Args:
        explained: in the order of the paths.
        found: whose paths they are.
        model: the file that answers.
        folder: where the pages go; `explanations` when None.
        with_images: False leaves every picture of the user's out.

    Raises:
        UsageError: a page would replace a file that vidi has not written.
        ResourceError: a page cannot be written.
    """
    paths = [path for group in found for path in group.paths]
    places = dict(zip(paths, [(folder or PAGES) / name for name in page_names(paths)], strict=True))
    for place in places.values():
        require_own(place)
    for one in explained:
        page = None if one.explanation is None else places[one.path]
        if one.explanation is not None and page is not None:
            write_explanation(page, one.explanation, model, with_images=with_images)
        yield WrittenPage(explained=one, page=page)


def explanation_line(written: WrittenPage) -> str:
    """Return the line for a terminal: the prediction and the page."""
    import io

    stream = io.StringIO()
    write_table([_as_answer(written.explained)], stream, paths=[written.explained.path])
    line = stream.getvalue().rstrip("\n")
    return line if written.page is None else f"{line}  {escape_path(written.page)}"


def explanations_document(pages: Sequence[WrittenPage], model: ModelFile, account: Account) -> dict[str, object]:
    """Return the JSON document: as `vidi predict`'s, with maps."""
    return {
        "schema": SCHEMA_VERSION,
        "model": model_as_json(model),
        "explanations": [_as_json(page) for page in pages],
        "account": account.as_json(),
    }


def _as_json(written: WrittenPage) -> dict[str, Json]:
    explanation = written.explained.explanation
    document = answer_as_json(_as_answer(written.explained))
    document["page"] = None if written.page is None else escape_path(written.page)
    document["why"] = None if explanation is None else _why_as_json(explanation)
    return document


def _why_as_json(explanation: Explanation) -> dict[str, Json]:
    deletion = explanation.deletion
    return {
        "regions": None
        if explanation.regions is None
        else regions_as_json(explanation.regions, explanation.prediction, explanation.evidence),
        "neighbours": [
            {"path": escape_path(one.path), "label": one.label, "similarity": round(one.similarity, 5)}
            for one in explanation.neighbours
        ],
        "covered": {label: round(value, 6) for label, value in explanation.covered.items()},
        "deletion": {
            "marked": rounded_rows(deletion.marked),
            "random": rounded_rows(deletion.random),
            "chance": rounded_rows(deletion.chance),
        },
    }


def _as_answer(explained: Explained) -> Answer:
    outcome = explained.outcome
    answered = outcome if isinstance(outcome, ImageError) else outcome.prediction
    return Answer(path=explained.path, outcome=answered, notes=explained.notes)
