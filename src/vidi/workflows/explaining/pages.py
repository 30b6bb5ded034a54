"""What `vidi explain` writes: a page for each image, a line for people, a document for programs."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.data.inputs import FoundInputs
from vidi.errors import ImageError, UsageError
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.model_file.read import ModelFile
from vidi.model_file.values import Json
from vidi.prediction.stream import Answer
from vidi.report.explanation import Explanation
from vidi.report.pages.explain import write_explanation
from vidi.workflows.explain import Explained
from vidi.workflows.interaction.output import answer_as_json, model_as_json, write_table

SCHEMA_VERSION = 1
PAGES = Path("explanations")
MARK = b'<meta name="generator" content="vidi'  # of every page that vidi writes
HEAD_BYTES = 4_096  # in which the mark stands


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPage:
    """What became of one path, and where its page lies."""

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


def require_own(page: Path, *, mark: bytes = MARK) -> None:
    """Refuse to replace what vidi has not written itself.

    Args:
        page: what is to be written.
        mark: stands at the head of every file of its kind that vidi writes.

    Raises:
        UsageError: the path is taken by something else.
    """
    try:
        with page.open("rb") as stream:
            is_own = mark in stream.read(HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError:  # a folder, or one that may not be read
        is_own = False
    if not is_own:
        raise UsageError(
            f"{escape_path(page)} is there already, and vidi did not write it",
            "Nothing was replaced. Choose another folder with --output.",
        )


def explanation_line(written: WrittenPage) -> str:
    """A line for people: what `vidi predict` says of the image, and its page."""
    import io

    stream = io.StringIO()
    write_table([_as_answer(written.explained)], stream, paths=[written.explained.path])
    line = stream.getvalue().rstrip("\n")
    return line if written.page is None else f"{line}  {escape_path(written.page)}"


def explanations_document(pages: Sequence[WrittenPage], model: ModelFile, account: Account) -> dict[str, object]:
    """The JSON document: `predict`'s for each image, with its maps."""
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
        else {
            label: _numbers(values)
            for label, values in zip(explanation.prediction.classes, explanation.regions, strict=True)
            if label in explanation.evidence
        },
        "neighbours": [
            {"path": escape_path(one.path), "label": one.label, "similarity": round(one.similarity, 5)}
            for one in explanation.neighbours
        ],
        "covered": {label: round(value, 6) for label, value in explanation.covered.items()},
        "deletion": None
        if deletion is None
        else {"marked": _numbers(deletion.marked), "random": _numbers(deletion.random)},
    }


def _numbers(values: NDArray[np.float32]) -> list[Json]:
    rounded: list[Json] = np.round(values.astype(np.float64), 5).tolist()
    return rounded


def _as_answer(explained: Explained) -> Answer:
    outcome = explained.outcome
    answered = outcome if isinstance(outcome, ImageError) else outcome.prediction
    return Answer(path=explained.path, outcome=answered, notes=explained.notes)


def page_names(paths: Sequence[str], *, suffix: str = ".html") -> list[str]:
    """A name for the page of each path: the file's own, and a number where two are called alike.

    >>> page_names(["a/cat.jpg", "b/cat.jpg", "-"])
    ['cat.html', 'cat-2.html', 'standard-input.html']
    """
    names: list[str] = []
    taken: set[str] = set()
    last: Counter[str] = Counter()
    for path in paths:
        stem = "standard-input" if path == "-" else Path(path).stem
        stem = re.sub(r'[/\\:*?"<>|%]', "_", escape_path(stem)).strip(". ")[:80] or "image"
        name, number = f"{stem}{suffix}", max(last[stem], 1)
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        last[stem] = number
        taken.add(name.casefold())
        names.append(name)
    return names
