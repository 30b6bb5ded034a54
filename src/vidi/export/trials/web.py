"""An exported page, tried: its onnxruntime-web and its `decide` answer golden vectors and drawn images.

Chromium decodes the image files itself; node, which has no decoder, is given what vidi decodes them to.
"""

import base64
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidi.export.trials.answers import from_page
from vidi.export.trials.browser import BROWSERS, ask_browser
from vidi.export.trials.images import TrialImage, model_answers, trial_images
from vidi.export.trials.trial import ExportTrial, Given, compare_images
from vidi.model_file.read import ModelFile

SCRIPT = Path(__file__).with_name("web.mjs")
OLDEST_NODE = 18  # the first whose WebAssembly takes what onnxruntime-web is made of
SECONDS = 300.0
OPTIONAL = ("AVIF",)  # which some builds of Chromium do not decode


def try_web(folder: Path, name: str, model: ModelFile) -> ExportTrial | None:
    """Try one model of an exported page: in a Chromium without a window, else in node.

    Args:
        folder: of the page.
        name: of the model in it.
        model: the model file.

    Returns:
        None where there is neither a Chromium that starts nor node of version 18 or newer.
    """
    return try_in_browser(folder, name, model) or try_in_node(folder, name, model)


def try_in_node(folder: Path, name: str, model: ModelFile) -> ExportTrial | None:
    """Try one model of an exported page in node; None where there is none of version 18 or newer."""
    node = shutil.which("node")
    version = "" if node is None else _run([node, "--version"]).stdout.strip()
    found = re.match(r"v(\d+)", version)
    if node is None or found is None or int(found[1]) < OLDEST_NODE:
        return None
    host, images = f"node {version}", trial_images()
    page = folder.resolve()
    with tempfile.TemporaryDirectory() as place:
        given = Path(place) / "images.json"
        given.write_text(json.dumps([_pixels_of(one) for one in images]), encoding="utf-8")
        try:
            done = _run([node, str(SCRIPT), str(page), str(page / "models" / name), str(given)])
        except subprocess.TimeoutExpired:
            return _failed(host, model, f"no answer within {SECONDS:g} s")
    if done.returncode:
        errors = [line.strip() for line in done.stderr.splitlines() if "Error" in line]
        return _failed(host, model, errors[0] if errors else "it gives no answers")
    return _compared(host, model, json.loads(done.stdout), images, given="pixels")


def try_in_browser(folder: Path, name: str, model: ModelFile) -> ExportTrial | None:
    """Try one model of an exported page in Chromium; None where there is none, or it does not start."""
    browser = next((found for one in BROWSERS if (found := shutil.which(one))), None)
    if browser is None:
        return None
    host, images = f"headless {Path(browser).name}", trial_images()
    said = ask_browser(browser, folder, name, [one.data for one in images], seconds=SECONDS)
    if said is None:
        return None
    if "failure" in said:
        return _failed(host, model, str(said["failure"]))
    return _compared(host, model, said, images, given="files")


def _pixels_of(one: TrialImage) -> dict[str, str | int]:
    height, width = one.pixels.shape[:2]
    return {"pixels": base64.b64encode(one.pixels.tobytes()).decode("ascii"), "height": height, "width": width}


def _compared(
    host: str, model: ModelFile, said: Mapping[str, Any], images: Sequence[TrialImage], *, given: Given
) -> ExportTrial:
    """What the page's own comparison says of the golden vectors, and its answers about the images."""
    metadata, golden = model.metadata, said["golden"]
    differing = list(golden["differing"])
    novelty = golden["noveltyDifference"]
    if novelty is not None and novelty > metadata.golden_tolerance.novelty:
        differing.append(f"a novelty differs by {novelty:.1e}")
    answers = {one.name: from_page(answer) for one, answer in zip(images, said["answers"], strict=True)}
    asked = [one for one in images if one.name not in OPTIONAL or not answers[one.name].code]
    found = {one.name: answers[one.name] for one in asked}
    return ExportTrial(
        host=host,
        vector_count=golden["vectorCount"],
        probability_difference=golden["probabilityDifference"],
        tolerance=metadata.golden_tolerance.probability,
        differing=tuple(differing),
        images=compare_images(model_answers(model, asked), found, metadata, given=given),
    )


def _failed(host: str, model: ModelFile, why: str) -> ExportTrial:
    """The trial of a form that gives no answers; the host's own words tell why."""
    return ExportTrial(
        host=host,
        vector_count=len(model.metadata.golden),
        probability_difference=float("inf"),
        tolerance=model.metadata.golden_tolerance.probability,
        differing=(why[:200],),
    )


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
