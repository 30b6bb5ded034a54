"""report.html: everything that is known about a run, on one page for people."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.run_files import RunFiles, read_run
from vidi.evaluation.two_parts import MOST_LOUD
from vidi.files import escape_path, unescape_path
from vidi.images.limits import DecodeOptions
from vidi.images.store import ImageStore
from vidi.model_file.digests import member_count
from vidi.model_file.read import ModelFile
from vidi.numbers import percent
from vidi.prediction.words import explain_verdict, why_never_sure
from vidi.report.pages.network import describe_layers, show_model
from vidi.report.pages.render import write_page
from vidi.report.pages.tables import (
    KEPT_FOR_LAYERS,
    MOST_SUSPECTS,
    WORDS,
    Gallery,
    ShownFinding,
    choose_findings,
    choose_images,
    class_rows,
    describe_image,
    matrix_rows,
    provenance,
    settings,
)
from vidi.report.pages.trust import describe_trust
from vidi.report.pictures.drawings import (
    best_epoch,
    draw_at_points,
    draw_history,
    draw_learning,
    draw_rankings,
    draw_risk,
    draw_test_reliability,
)
from vidi.report.pictures.thumbnails import Thumbnail, make_thumbnails, read_small
from vidi.report.words import sentences
from vidi.report.words.guarantees import describe_points, describe_step
from vidi.report.words.sentences import differing, first_line, next_steps, other_tested, reservations, review_command
from vidi.training.loop.progress import read_results

REPORT = "report.html"
DEFAULT = DecodeOptions()
USES_OF_PARTS = {
    "train": "training",
    "validation": "choosing when to stop",
    "calibration": "calibrating the confidence",
    "test": "the one honest test: nothing was chosen on it",
    "extra": "scored separately",
}
SHORTEST = 0.05  # seconds; a stage that took less is not shown
HEAD = ("stage", "seconds", "share")


def write_report(
    run: Path,
    *,
    store: ImageStore | None = None,
    options: DecodeOptions = DEFAULT,
    with_images: bool = True,
    model: ModelFile | None = None,
) -> Path:
    """Write report.html from what a run folder (or the folder of an evaluation) holds.

    Args:
        run: the folder; metrics.json, predictions.csv, results.csv, recipe.toml, check.json and model.onnx are used
            as far as they are there.
        options: how images are decoded; as they were for training.
        with_images: False leaves every picture out (`--no-images`), also the pictures of the network's layers.
        model: the model that was scored, where the folder holds no model.onnx of its own.

    Returns:
        The path of the page.

    Raises:
        DataError: a file of the run is damaged.
        ModelError: its model file is damaged.
        MissingPackageError: jinja2 or matplotlib is not installed.
        ResourceError: the page cannot be written.
    """
    files = read_run(run)
    if files.model is None:
        files = replace(files, model=model)
    findings = choose_findings(files.check)
    gallery = _choose_gallery(files, findings)
    shown = store if with_images else None
    suspects = [suspect.path for suspect in files.suspects[:MOST_SUSPECTS]]
    apart = differing(files.metrics)
    loudest = [] if apart is None else [unescape_path(path) for path in apart.loudest]
    paths = [*gallery.paths(), *suspects, *loudest, *(path for finding in findings for path in finding.paths)]
    thumbnails: dict[str, Thumbnail] = {}
    if shown is not None:
        digests = {answer.path: answer.digest for answer in files.answers}
        digests |= {suspect.path: suspect.digest for suspect in files.suspects}
        thumbnails = make_thumbnails(shown, paths, digests=digests, options=options)
    values = page_values(files, gallery, findings)
    values["thumbnails"] = thumbnails
    image, values["example"] = _read_example(gallery, shown, options)
    values["network"] = None
    if files.model is not None:
        layers = describe_layers(files.model, image)
        values["network"] = show_model(files.model, layers, with_filters=with_images)
    values["trust"] = describe_trust(files, image)
    values["with_images"] = with_images
    values["images_are_missing"] = with_images and bool(paths) and not thumbnails
    write_page(run / REPORT, "report.html", values)
    return run / REPORT


def page_values(files: RunFiles, gallery: Gallery, findings: list[ShownFinding]) -> dict[str, object]:
    """What the template shows beside pictures."""
    metrics, history, model = files.metrics, read_results(files.folder), files.model
    test, verdicts, operating = metrics.parts.test, metrics.test_verdicts, metrics.test_points
    stated = None if model is None else model.metadata
    limits = None if stated is None else stated.verdict
    kept_epoch = None if metrics.origin.training is None else metrics.origin.training.best_epoch
    stale = () if model is None else other_tested(metrics, model.model_id)
    return {
        "name": (stated.provenance.run if stated else "") or files.folder.resolve().name,
        "model": model,
        "metrics": metrics,
        "test": test,
        "data": metrics.origin.data,
        "learned_in_use": sentences.learned_in_use(metrics.origin.data),
        "ensemble": metrics.ensemble,
        "networks": 1 if model is None else member_count(tensor.name for tensor in model.contents.tensors),
        "is_evaluation": metrics.is_evaluation,
        "account": files.account,
        "headline": first_line(metrics),
        "reservations": (*stale, *reservations(metrics)),
        "next_steps": next_steps(metrics, files.folder),
        "sentences": sentences.about_test(test),
        "two_parts": differing(metrics),
        "gallery": gallery,
        "findings": findings,
        "severity_words": WORDS,
        "suspects": files.suspects[:MOST_SUSPECTS],
        "more_suspects": len(files.suspects[MOST_SUSPECTS:]),
        "suspicion": sentences.suspicion(metrics.labels.label_errors),
        "doubted": {one.path: one for one in metrics.labels.doubted_test_labels},
        "review_command": review_command(files.folder),
        "several": test is not None and sentences.is_multi_label(test),
        "matrix": matrix_rows(test),
        "class_rows": class_rows(test) if test is not None else ([], []),
        "reliability": draw_test_reliability(test) if test is not None else None,
        "rankings": draw_rankings(test) if test is not None else [],
        "verdicts": verdicts,
        "sureness": "" if verdicts is None else sentences.sureness(verdicts, limits),
        "never_sure": bool(why_never_sure(limits)),
        "verdict_key": explain_verdict("sure", limits),
        "risk_coverage": draw_risk(verdicts),
        "operating": operating,
        "operating_sentence": "" if operating is None else sentences.operating(operating),
        "calibration_sentence": describe_step(stated.calibration) if stated and stated.calibration else "",
        "limits_of_points": describe_points(stated.operating_points) if stated and stated.operating_points else (),
        "at_points": draw_at_points(test, operating) if test is not None else [],
        "refuted_kinds": {(one.kind, one.name) for one in metrics.trust.refuted},
        "more_images": "" if differing(metrics) else sentences.more_images(metrics.labels.learning_curve),
        "learning_curve": metrics.labels.learning_curve,
        "images_curve": draw_learning(metrics.labels.learning_curve),
        "curves": draw_history(history, kept_epoch=kept_epoch),
        "history": history,
        "best_epoch": best_epoch(history),
        "kept_epoch": kept_epoch,
        "uses_of_parts": USES_OF_PARTS,
        "times": time_rows(metrics.seconds or {}),
        "settings": settings(files.recipe),
        "provenance": provenance(files),
        "path_text": escape_path,
        "unescape": unescape_path,
        "describe_image": describe_image,
    }


def _choose_gallery(files: RunFiles, findings: list[ShownFinding]) -> Gallery:
    tested = [answer for answer in files.answers if answer.part == "test" and answer.truth_probability is not None]
    beside = sum(len(finding.paths) for finding in findings) + len(files.suspects[:MOST_SUSPECTS])
    spent = KEPT_FOR_LAYERS + MOST_LOUD + beside
    doubted = [unescape_path(one.path) for one in files.metrics.labels.doubted_test_labels]
    return choose_images(tested, cells_wanted=bool(matrix_rows(files.metrics.parts.test)), spent=spent, doubted=doubted)


def _read_example(
    gallery: Gallery, store: ImageStore | None, options: DecodeOptions
) -> tuple[NDArray[np.uint8] | None, str | None]:
    """The first sample that can be read, and its path: what the network's layers and worse images are shown with."""
    if store is not None:
        for sample in gallery.samples:
            image = read_small(store, sample.path, digest=sample.digest, options=options)
            if image is not None:
                return image, sample.path
    return None, None


def time_rows(seconds: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """The head, each stage in its order with its seconds and share, and the whole; nothing where no time is known.

    >>> time_rows({"reading": 1.0, "training": 3.0})
    [('stage', 'seconds', 'share'), ('reading', '1.0', '25 %'), ('training', '3.0', '75 %'), ('all', '4.0', '100 %')]
    """
    whole = sum(seconds.values())
    rows = [(stage, f"{taken:.1f}", percent(taken / whole)) for stage, taken in seconds.items() if taken >= SHORTEST]
    return [HEAD, *rows, ("all", f"{whole:.1f}", percent(1.0))] if rows else []
