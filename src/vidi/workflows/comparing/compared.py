"""Result of a comparison."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.errors import GateError
from vidi.evaluation.comparison import Comparison
from vidi.images.account import Account
from vidi.report.words.compare import model_names
from vidi.report.words.progress.asking import NOT_BOTH
from vidi.workflows.interaction.run_folder import (
    COMPARISON,
    read_document,
)

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing

PAGE = "compare.html"
TABLE = "disagreements.csv"
NOT_SHARED = ("class-not-shared", NOT_BOTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Result of a comparison."""

    folder: Path  # holds compare.json, compare.html and disagreements.csv
    comparison: Comparison = field(repr=False)  # differences, intervals and verdicts
    sentence: str  # the result in words
    account: Account = field(repr=False)  # which files were used, set aside, refused or ignored

    def plot(self) -> "Drawing":
        """Draw the difference on all images and for each class; a notebook shows it, and its `save` writes it."""
        from vidi.report.pages.notebook import draw_comparison

        return draw_comparison(read_comparison(self.folder))

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import comparison_as_html

        return comparison_as_html(read_comparison(self.folder), self.folder)

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
