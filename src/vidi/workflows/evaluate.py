"""A model file scored on any data set: classes matched by name, training images left out, one folder of results."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vidi.evaluation.answers import TEST, Want, answer
from vidi.evaluation.document import evaluate_parts
from vidi.evaluation.evaluate import Evaluation
from vidi.evaluation.match import ClassMatch, match_classes
from vidi.files import escape_path
from vidi.images.account import Account
from vidi.prediction.predictor import Predictor
from vidi.report.words.sentences import accuracy_line, describe_match
from vidi.workflows.evaluating.corrected import score_as_given
from vidi.workflows.evaluating.learned import account_for, find_learned, parts_to_score
from vidi.workflows.evaluating.written import ScoredDataset, count_use, open_folder, write_evaluation
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.inputs import named_first
from vidi.workflows.interaction.request import decode_options, read_for_model
from vidi.workflows.interaction.run_folder import require_free
from vidi.workflows.requests.model_file import EvaluateRequest

if TYPE_CHECKING:
    from vidi.figures.drawing import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateResult:
    """Result of an evaluation."""

    folder: Path  # holds metrics.json, predictions.csv and report.html
    figures: Mapping[str, Evaluation] = field(repr=False)  # by part: `test`, and `extra` if the data has it
    match: ClassMatch  # the data's classes in terms of the model's
    account: Account = field(repr=False)  # which files were used, set aside, refused or ignored
    test_uses: int  # number of evaluations of this run's models on these images, including this one

    def __repr__(self) -> str:
        """The folder, and the accuracy with its interval and n; of a further part too."""
        parts = [f"{accuracy_line(one)}{' on ' + name if name != 'test' else ''}" for name, one in self.figures.items()]
        return f"<Evaluated {escape_path(self.folder)}: {'; '.join(parts)}>"

    def plot(self) -> "Drawing":
        """Draw reliability, ROC and precision-recall; a notebook shows them, and their `save` writes them."""
        from vidi.report.pages.notebook import draw_folder

        return draw_folder(self.folder)

    def _repr_html_(self) -> str:
        from vidi.report.pages.notebook import folder_as_html

        return folder_as_html(self.folder)


def evaluate(request: EvaluateRequest, *, events: Events = SILENCE) -> EvaluateResult:
    """Score a model file on a data set.

    Images of classes that the model lacks are left out of accuracy and counted; images that the model was trained on
    (by the splits.csv of its run folder, or by the model file) are set aside.

    Raises:
        ModelError: no model file, or not one to trust.
        DataError: no class in common, or no image left to score; says why.
        UsageError: a class or the output folder is wrong.
        ResourceError: the results cannot be written.
    """
    if request.output is not None:
        require_free(request.output, kind="evaluation", overwrite=request.overwrite)
    path = named_first(request.model, [request.data.source], verb="evaluate")
    predictor = Predictor.load(path, engine=request.engine)
    dataset = read_for_model(request.data, predictor.metadata)
    match, learned = match_classes(predictor.classes, dataset.classes), find_learned(predictor)
    want = Want(
        options=decode_options(request.data),
        match=match,
        traits=True,
        leave_out=learned.leaves_out,
        on_progress=events.reading,
    )
    answers = answer(predictor, dataset, parts_to_score(dataset, request.data.parts), want)
    whole = dataset.with_left_out()
    tested = [whole.images[row] for row, part in parts_to_score(whole, request.data.parts).items() if part == TEST]
    left_out = [image for image in tested if image.left_out]
    account = account_for(dataset, [answers], dataset.account)
    for sentence in describe_match(match, Counter(answers.truths) if answers.several is None else Counter()):
        events.say(sentence)
    folder = open_folder(request, dataset)
    uses = count_use(predictor.model.path.parent, folder, predictor.model, answers)
    scored = ScoredDataset(
        dataset=dataset,
        match=match,
        answers=answers,
        figures=evaluate_parts(answers),
        account=account,
        learned_from=learned.facts(answers.digests, account),
        corrected=score_as_given(predictor, dataset, answers, left_out, want=replace(want, traits=False)),
    )
    asked = replace(request, engine=predictor.engine.name)
    write_evaluation(folder, asked, predictor, scored, test_uses=uses, events=events)
    return EvaluateResult(folder=folder, figures=scored.figures, match=match, account=account, test_uses=uses)
