"""`vidi retrain`: old data and new labels, a candidate, the gate, and the model in use exchanged or kept."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidi.errors import GateError, UsageError
from vidi.evaluation.gate import GateRules
from vidi.evaluation.sections import CorrectedTest
from vidi.files import escape_path, write_atomic
from vidi.model_file.read import read_model
from vidi.model_file.registered import models_folder
from vidi.registry import LockedName
from vidi.report.pages.gate import gate_headline, write_gate_page
from vidi.report.pages.render import require_templates
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.run_folder import GATE, GATE_PAGE, find_run
from vidi.workflows.promote import decided_now, promote
from vidi.workflows.requests.in_use import PromoteRequest, RetrainRequest
from vidi.workflows.requests.shared import FEEDBACK_WEIGHT
from vidi.workflows.retraining.judge import Verdicts, judge_run
from vidi.workflows.retraining.plan import RetrainPlan, label_words, plan_retraining, request_again, take_labels

if TYPE_CHECKING:
    from vidi.workflows.train import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainResult:
    """Result of a retraining."""

    folder: Path  # run folder of the candidate, with gate.json and gate.html
    run: "Run | None"  # the training; None where a finished candidate was named
    document: dict[str, Any] | None  # of gate.json; None where the training was interrupted

    @property
    def page(self) -> Path:
        """What the gate decided, rule by rule."""
        return self.folder / GATE_PAGE

    def require_passed(self) -> None:
        """Require that the candidate passed the gate.

        Raises:
            GateError: the model in use stays; says why.
        """
        if self.document is None or self.document["passed"]:
            return
        raise GateError(gate_headline(self.document).rstrip("."), f"See {escape_path(self.page)} for each rule.")


def retrain(request: RetrainRequest, *, events: Events = SILENCE, root: Path | None = None) -> RetrainResult:
    """Train again with new labels, and put the result in use if it is really better.

    The test part of the run is frozen: new images fill the other parts, and part of the feedback is held back to
    compare both models on. A candidate that passes the gate is promoted under the name of the model in use. Without a
    name it is left in its run folder.

    Raises:
        UsageError, DataError, ModelError, ResourceError: as their names say; the model in use stays.
    """
    require_templates()
    plan = plan_retraining(request, root=root)
    if request.candidate is not None:
        folder, run = find_run(request.candidate), None
        if read_model(folder).metadata.unfinished:
            raise UsageError(f"{escape_path(folder)} is not finished", "Finish it: vidi train --resume RUN --finish")
    else:
        from vidi.workflows.train import train

        labels = take_labels(request, plan.run, multi_label=plan.champion.metadata.multi_label)
        if labels is not None:
            events.say(label_words(labels))
            request = replace(request, feedback=str(labels.folder))
        run = train(request_again(plan, request), events=events)
        folder = run.folder
        if not run.finished:
            return RetrainResult(folder=folder, run=run, document=None)
    rules = GateRules(max_drop=request.max_drop / 100)
    judged = judge_run(plan.champion, plan.run, folder, rules=rules, events=events)
    document = _document(plan, request, judged, folder, rules)
    _decide(plan, request, judged, document, root=root or models_folder())
    document["sentence"] = gate_headline(document)
    write_atomic(folder / GATE, json.dumps(document, allow_nan=False, indent=1) + "\n")
    write_gate_page(folder / GATE_PAGE, document)
    return RetrainResult(folder=folder, run=run, document=document)


def _document(
    plan: RetrainPlan, request: RetrainRequest, judged: Verdicts, folder: Path, rules: GateRules
) -> dict[str, Any]:
    """What gate.json holds."""
    reasons = decided_now(request.why, judged.candidate)
    return {
        "schema": 1,
        **judged.decision.as_json(),
        "champion": {
            "path": escape_path(plan.champion.path),
            "id": plan.champion.model_id,
            "run": plan.champion.metadata.provenance.run,
            "name": plan.name,
            "version": plan.version,
        },
        "candidate": {"path": escape_path(folder), "id": judged.candidate.model_id, "run": folder.name},
        "data": {
            "name": plan.run.resolve().name,
            "run": escape_path(plan.run),
            "feedback": request.feedback,
            "feedback_weight": FEEDBACK_WEIGHT,
        },
        "rules_used": asdict(rules),
        "multi_label": judged.candidate.metadata.multi_label,
        "new_classes": list(judged.new_classes),
        "feedback_images": dict(judged.feedback),
        "corrected_test": None if judged.corrected is None else _corrected(*judged.corrected),
        "missing_test_images": judged.missing_test_images,
        "test_uses": judged.test_uses,
        "promoted": None,
        "who": reasons.who,
        "date": reasons.at,
        "why": request.why,
    }


def _corrected(champion: CorrectedTest, candidate: CorrectedTest) -> dict[str, Any]:
    """What people corrected in the test part, and the accuracy of both models by the labels of the data itself."""
    return {
        "relabelled": candidate.relabelled,
        "left_out": candidate.left_out,
        "champion_as_given": champion.accuracy_as_given.as_json(),
        "candidate_as_given": candidate.accuracy_as_given.as_json(),
    }


def _decide(
    plan: RetrainPlan, request: RetrainRequest, judged: Verdicts, document: dict[str, Any], *, root: Path
) -> None:
    """Promote the candidate, or write down that the model in use stays; without a name only the document tells."""
    if plan.name is None:
        return
    gate = judged.decision.as_json()
    if judged.decision.passed:
        why = request.why or "passed the gate of vidi retrain"
        asked = PromoteRequest(model=judged.candidate.path, name=plan.name, why=why)
        done = promote(asked, gate=gate, root=root)
        document["promoted"] = {"name": plan.name, "version": done.decision.version}
    elif plan.version is not None:
        with LockedName(root / plan.name) as held:
            held.keep(decided_now(request.why or gate_headline(document), judged.candidate, gate=gate))
