"""An exported page, tried: its onnxruntime-web and its `decide` answer the golden vectors, in node or a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from vidi.export.trials.browser import BROWSERS, ask_browser
from vidi.export.trials.trial import ExportTrial
from vidi.model_file.metadata import ModelMetadata

SCRIPT = Path(__file__).with_name("web.mjs")
OLDEST_NODE = 18  # the first whose WebAssembly takes what onnxruntime-web is made of
SECONDS = 300.0


def try_web(folder: Path, name: str, metadata: ModelMetadata) -> ExportTrial | None:
    """Try one model of an exported page: in node, else in a Chromium without a window.

    Args:
        folder: of the page.
        name: of the model in it.
        metadata: of the model file.

    Returns:
        None where there is neither node of version 18 or newer nor Chromium.
    """
    return try_in_node(folder, name, metadata) or try_in_browser(folder, name, metadata)


def try_in_node(folder: Path, name: str, metadata: ModelMetadata) -> ExportTrial | None:
    """Try one model of an exported page in node; None where there is none of version 18 or newer."""
    node = shutil.which("node")
    version = "" if node is None else _run([node, "--version"]).stdout.strip()
    found = re.match(r"v(\d+)", version)
    if node is None or found is None or int(found[1]) < OLDEST_NODE:
        return None
    host = f"node {version}"
    try:
        done = _run([node, str(SCRIPT), str(folder.resolve()), str(folder.resolve() / "models" / name)])
    except subprocess.TimeoutExpired:
        return _failed(host, metadata, f"no answer within {SECONDS:g} s")
    if done.returncode:
        errors = [line.strip() for line in done.stderr.splitlines() if "Error" in line]
        return _failed(host, metadata, errors[0] if errors else "it gives no answers")
    return _compared(host, metadata, json.loads(done.stdout))


def try_in_browser(folder: Path, name: str, metadata: ModelMetadata) -> ExportTrial | None:
    """Try one model of an exported page in Chromium; None where there is none."""
    browser = next((found for one in BROWSERS if (found := shutil.which(one))), None)
    if browser is None:
        return None
    host = f"{Path(browser).name} without a window"
    said = ask_browser(browser, folder, name, seconds=SECONDS)
    if "failure" in said:
        return _failed(host, metadata, str(said["failure"]))
    return _compared(host, metadata, said)


def _compared(host: str, metadata: ModelMetadata, compared: dict[str, Any]) -> ExportTrial:
    """What the page's own comparison says."""
    differing = list(compared["differing"])
    novelty = compared["noveltyDifference"]
    if novelty is not None and novelty > metadata.golden_tolerance.novelty:
        differing.append(f"a novelty differs by {novelty:.1e}")
    return ExportTrial(
        host=host,
        vector_count=compared["vectorCount"],
        probability_difference=compared["probabilityDifference"],
        tolerance=metadata.golden_tolerance.probability,
        differing=tuple(differing),
    )


def _failed(host: str, metadata: ModelMetadata, why: str) -> ExportTrial:
    """The trial of a form that gives no answers; the host's own words tell why."""
    return ExportTrial(
        host=host,
        vector_count=len(metadata.golden),
        probability_difference=float("inf"),
        tolerance=metadata.golden_tolerance.probability,
        differing=(why[:200],),
    )


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
