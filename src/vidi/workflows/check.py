"""`vidi check`: look at every image once before anything is trained on it, and say what was found."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vidi.data.check import check_dataset
from vidi.data.checked import CheckResult
from vidi.data.dataset import Dataset
from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.workflows.events import SILENCE, Events
from vidi.workflows.request import DataRequest, decode_options, read_source

WORDS = {"problem": "PROBLEM", "warning": "look at", "note": "note"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMade:
    """A checked data set."""

    dataset: Dataset
    result: CheckResult
    page: Path | None  # where the page of images is

    @property
    def has_findings(self) -> bool:
        """Whether `--strict` would say no: notes alone do not count."""
        return any(finding.severity != "note" for finding in self.result.findings)

    def as_json(self) -> dict[str, object]:
        """The document that `vidi check --json` prints."""
        sizes = Counter(
            label
            for image, record in zip(self.dataset.images, self.result.records, strict=True)
            if record.refusal is None
            for label in image.labels
        )
        return {
            **self.result.as_json(),
            "source": escape_path(self.dataset.source),
            "reader": self.dataset.reader,
            "classes": {name: sizes[label] for label, name in enumerate(self.dataset.classes)},
            "page": None if self.page is None else escape_path(self.page),
        }

    def summary(self) -> Iterator[str]:
        """The outcome line by line, for a terminal."""
        yield f"{escape_path(self.dataset.source)}: {self.result.account.sentence()}"
        for finding in self.result.findings:
            yield f"{WORDS[finding.severity]:8} {finding.sentence}"
        if not self.result.findings:
            yield "nothing to report"
        if self.page is not None:
            yield f"all of it with images: {escape_path(self.page)}"


def check(
    request: DataRequest,
    *,
    page: Path | None = None,
    with_images: bool = True,
    workers: int | None = None,
    events: Events = SILENCE,
) -> CheckMade:
    """Decode every image of a data set once and find what is wrong, doubled or odd.

    Args:
        request: the data.
        page: the HTML file to write; none when left out.
        with_images: False leaves every picture out of the page.
        workers: decoding processes; one for each core when left out.
        events: told what happens.

    Raises:
        UsageError: the source or a class is not there, or the page is a folder.
        DataError: the source holds no image with a class.
        MissingPackageError: a page is wanted and jinja2 is not installed.
        ResourceError: the page cannot be written.
    """
    if page is not None and page.is_dir():
        raise UsageError(f"{escape_path(page)} is a folder", "Name a file: --page check.html")
    dataset = read_source(request)
    options = decode_options(request)
    result = check_dataset(dataset, options=options, workers=workers, on_progress=events.reading)
    if page is not None:
        from vidi.report.check_page import write_check_page

        write_check_page(page, dataset, result, options=options, with_images=with_images)
    return CheckMade(dataset=dataset, result=result, page=page)
