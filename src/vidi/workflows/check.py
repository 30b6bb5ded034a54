"""`vidi check`: look at every image once before training, and report findings."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.data.checked import DataCheck, Finding
from vidi.data.checking.check import check_dataset
from vidi.data.checking.findings import SETTLED_BY_LOOKING
from vidi.data.checking.suspects import name_labels
from vidi.data.dataset import Dataset
from vidi.data.readers.class_folders import NO_CLASS
from vidi.errors import UsageError, from_extra
from vidi.files import escape_path
from vidi.numbers import percent
from vidi.report.words.text import account_lines, visible
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, read_source
from vidi.workflows.requests.data import CheckRequest

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing

WORDS = {"problem": "PROBLEM", "warning": "look at", "note": "note"}
REVIEWED = SETTLED_BY_LOOKING | {"conflicting-labels", "suspect-labels"}  # findings that a review goes through
MOST_SUSPECTS = 10  # listed below their finding


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckReport:
    """Result of the check of a data set."""

    dataset: Dataset  # the data as it was read
    result: DataCheck  # everything that was found
    page: Path | None = None  # the page of images, if one was written

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings in sentences, most severe first."""
        return self.result.findings

    @property
    def has_findings(self) -> bool:
        """Whether there are findings other than notes; `--strict` then exits with code 7."""
        return any(finding.severity != "note" for finding in self.findings)

    @property
    def class_sizes(self) -> dict[str, int]:
        """Number of usable images by class."""
        return self.dataset.class_sizes(self.result.usable.tolist())

    def as_json(self) -> dict[str, object]:
        """Return the document that `vidi check --json` prints."""
        return {
            **self.result.as_json(),
            "source": escape_path(self.dataset.source),
            "reader": self.dataset.reader,
            "classes": self.class_sizes,
            "labels": self.dataset.labels_state,
            "page": None if self.page is None else escape_path(self.page),
        }

    def summary(self) -> Iterator[str]:
        """Give the result line by line, for a terminal."""
        *named, total = account_lines(self.result.account, listed_in="what `vidi check --json` prints")
        yield f"{escape_path(self.dataset.source)}: {total}"
        yield from named
        for finding in self.findings:
            yield f"{WORDS[finding.severity]:8} {finding.sentence}"
            yield from _worst(finding)
        if not self.findings:
            yield "nothing to report"
        yield from self._what_now()

    def _what_now(self) -> Iterator[str]:
        """Where the images are to be seen, and how what was found is settled."""
        source = shlex.quote(escape_path(self.dataset.source))
        if self.page is not None:
            yield f"all of it with images: {escape_path(self.page)}"
        elif any(finding.paths for finding in self.findings):
            yield f"see the images: vidi check {source} --page check.html"
        has_unlabelled = any(entry.code == NO_CLASS for entry in self.result.account.set_aside)
        is_reviewed = Path(self.dataset.source).exists() and not self.dataset.multi_label
        found = {finding.kind for finding in self.findings if finding.severity != "note"}
        if is_reviewed and (has_unlabelled or found & REVIEWED):
            yield f"settle it: vidi review {source}"

    def __repr__(self) -> str:
        """Show the result as on a terminal."""
        return "\n".join(self.summary())

    def plot(self) -> "Drawing":
        """Draw the number of images of each class; a notebook shows the figure, and its `save` writes it."""
        from vidi.figures.bars import draw_class_sizes
        from vidi.figures.drawing import side_by_side

        return side_by_side([draw_class_sizes({visible(name): count for name, count in self.class_sizes.items()})])

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import check_as_html

        return check_as_html(self.dataset.name, self.result)


def check(
    request: CheckRequest,
    *,
    events: Events = SILENCE,
) -> CheckReport:
    """Decode every image of a data set once, and find damaged, duplicate and odd images.

    Raises:
        UsageError: the data or a class does not exist, or the page is a folder.
        DataError: the source holds no image with a class.
        MissingPackageError: a page was requested and jinja2 is not installed, or `suspects` and torch is not.
        ResourceError: the page cannot be written.
    """
    page = request.page
    if page is not None and page.is_dir():
        raise UsageError(f"{escape_path(page)} is a folder", "Name a file: --page check.html")
    dataset = read_source(request.data)
    options = decode_options(request.data)
    if request.suspects:
        with from_extra("likely wrong labels are found with torch", extra="train"):
            from vidi.workflows.run.learning.suspects import check_labels
        result = check_labels(dataset, request.data, with_images=request.images, events=events)
    else:
        result = check_dataset(dataset, options=options, on_progress=events.reading)
    if page is not None:
        from vidi.report.pages.check import write_check_page

        write_check_page(page, dataset, result, options=options, with_images=request.images)
    return CheckReport(dataset=dataset, result=result, page=page)


def _worst(finding: Finding) -> Iterator[str]:
    """The first of the labels that may be wrong."""
    for one in finding.suspects[:MOST_SUSPECTS]:
        given, suggested = name_labels(one.label), name_labels(one.suggested)
        yield f"         {escape_path(one.path)}: {given}, looks like {suggested} ({percent(one.suggested_confidence)})"
    if len(finding.suspects) > MOST_SUSPECTS:
        yield f"         and {len(finding.suspects) - MOST_SUSPECTS:,} more"
