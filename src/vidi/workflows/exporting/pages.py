"""The pages about a file in fewer bits: its evaluation, and its comparison with the file that it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidi.evaluation.answers import Answers
from vidi.images.account import Entry
from vidi.model_file.read import ModelFile
from vidi.prediction.predictor import Predictor
from vidi.workflows.comparing import NOT_SHARED, CompareResult, both_answered, name_compared, write_comparison
from vidi.workflows.evaluating.learned import find_learned
from vidi.workflows.evaluating.written import ScoredDataset, count_use, write_evaluation
from vidi.workflows.interaction.run_folder import Kind, open_run_folder
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.model_file import EvaluateRequest

COMPARISON, EVALUATION = "comparison", "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the pages are about, and where they go."""

    parent: Predictor
    model: ModelFile
    data: DataRequest
    folder: Path
    kept_as: Path
    images: bool

    def open(self, name: str, kind: Kind) -> Path:
        """The folder of one of them."""
        return open_run_folder(self.folder / name, name=name, source=Path(self.data.source), kind=kind)

    def count_use(self, folder: Path, model: ModelFile, answers: Answers) -> int:
        """Note in the parent's run, where it has one, that its test images judged a file."""
        return count_use(self.parent.model.path.parent, folder, model, answers)


def write_own_pages(pages: Pages, scored: ScoredDataset) -> None:
    """The report of the file."""
    folder = pages.open(EVALUATION, "evaluation")
    pages.count_use(folder, pages.model, scored.answers)
    asked = EvaluateRequest(model=pages.kept_as, data=pages.data, images=pages.images)
    write_evaluation(folder, asked, Predictor.from_bytes(pages.model.data), scored, test_uses=1)  # the file is new


def write_beside(pages: Pages, scored: ScoredDataset, given: Sequence[Answers]) -> CompareResult:
    """The comparison with its parent on images of classes that both know, image by image."""
    folder, known = pages.open(COMPARISON, "comparison"), scored.answers.truth.is_known
    foreign = scored.answers.only(~known).paths
    models = [
        name_compared(path, model, uses=pages.count_use(folder, model, scored.answers.only(known)), knows=knows)
        for path, model, knows in (
            (pages.parent.model.path, pages.parent.model, find_learned(pages.parent).is_stated),
            (pages.kept_as, pages.model, True),
        )
    ]
    both = both_answered(
        scored.dataset,
        [one.only(known) for one in given],
        (scored.match, scored.match),
        models=models,
        asked=pages.data,
        account=scored.account.setting_aside(Entry(path, *NOT_SHARED) for path in foreign),
    )
    return write_comparison(folder, both, images=pages.images, store=scored.dataset.store if pages.images else None)
