"""`vidi export --to int8 | fp16`: fewer bits, calibrated again, and refused where they are not as good."""

from dataclasses import replace
from pathlib import Path

from vidi.evaluation.answers import TEST, Want, answer_alike
from vidi.evaluation.document import evaluate_parts, short_figures
from vidi.evaluation.match import match_classes
from vidi.evaluation.sections import LearnedFacts
from vidi.machine import processor_name
from vidi.model_file.read import ModelFile, read_model_bytes
from vidi.model_file.write import bytes_with
from vidi.prediction.engines import open_session
from vidi.prediction.predictor import Predictor
from vidi.workflows.evaluating.learned import account_for
from vidi.workflows.evaluating.written import ScoredDataset
from vidi.workflows.exporting.fewer_bits import write_calibrated
from vidi.workflows.exporting.images import find_images
from vidi.workflows.exporting.judged import (
    CompressedModel,
    compare_sessions,
    measure_rates,
    open_unfused,
    require_as_good,
    require_enough,
    require_guarantees,
    require_possible,
    require_sound_kernels,
)
from vidi.workflows.exporting.pages import Pages, write_beside, write_own_pages
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options
from vidi.workflows.requests.model_file import ExportRequest

NEIGHBOURS = "neighbours"


def compress_model(
    parent: ModelFile, request: ExportRequest, *, folder: Path, kept_as: Path, events: Events = SILENCE
) -> CompressedModel:
    """Write a model file in fewer bits, and judge it beside its parent.

    Args:
        request: the form, a key of `WRITERS`; a run or labelled images, or else the run that the file lies in; and the
            percentage points of accuracy that may be lost on the test images, also beyond chance.
        kept_as: where the new file will lie; the pages name it so.

    Raises:
        GateError: it loses more, its promises do not hold, or its kernels give other answers than its arithmetic.
        ModelError: the parent is unfinished, or cannot be written so.
        DataError, UsageError: there are no images to calibrate and test on.
    """
    require_possible(parent)
    old = Predictor.load(parent.path)
    found = find_images(old, request.data)
    tested = found.of(TEST)
    require_enough(len(tested.images), max_drop=request.max_drop)
    framed = found.framed(parent)
    model, count = write_calibrated(parent, request.to, framed, found, events=events)
    session = open_session(model)
    fused = compare_sessions(open_unfused(model), session, framed) if request.to == "int8" else None
    require_sound_kernels(fused)
    match = match_classes(old.classes, tested.classes)
    want = Want(options=decode_options(found.data), match=match, traits=True, on_progress=events.reading)
    parts = dict.fromkeys(range(len(tested.images)), TEST)
    given = answer_alike((old, Predictor.from_bytes(model.data)), tested, parts, (want, want))
    scored = ScoredDataset(
        dataset=tested,
        match=match,
        answers=given[1],
        figures=evaluate_parts(given[1]),
        account=account_for(tested, given, tested.account),
        learned_from=LearnedFacts(unseen=True, set_aside=0),
    )
    require_guarantees(scored.answers, model)
    model = read_model_bytes(bytes_with(model, replace(model.metadata, test=short_figures(scored.figures[TEST]))))
    pages = Pages(parent=old, model=model, data=found.data, folder=folder, kept_as=kept_as, images=request.images)
    write_own_pages(pages, scored)
    done = CompressedModel(
        model=model,
        parent=parent,
        compared=write_beside(pages, scored, given),
        agreement=compare_sessions(open_session(parent), session, framed, metadata=(parent.metadata, model.metadata)),
        fused=fused,
        rates=measure_rates({"parent": parent, request.to: model}, framed),
        processor=processor_name(),
        calibrated_on=count,
    )
    require_as_good(done.compared.comparison.overall.counts, max_drop=request.max_drop)
    return done
