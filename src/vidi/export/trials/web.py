"""An exported page, tried in node: its onnxruntime-web and its `decide` answer the golden vectors."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from vidi.export.trials.trial import ExportTrial
from vidi.model_file.metadata import ModelMetadata

SCRIPT = Path(__file__).with_name("web.mjs")
OLDEST_NODE = 18  # the first whose WebAssembly takes what onnxruntime-web is made of
SECONDS = 300.0


def try_web(folder: Path, name: str, metadata: ModelMetadata) -> ExportTrial | None:
    """Try one model of an exported page.

    Args:
        folder: of the page.
        name: of the model in it.
        metadata: of the model file.

    Returns:
        None where there is no node of version 18 or newer to try it in.
    """
    node = shutil.which("node")
    version = "" if node is None else _run([node, "--version"]).stdout.strip()
    found = re.match(r"v(\d+)", version)
    if node is None or found is None or int(found[1]) < OLDEST_NODE:
        return None
    host = f"node {version}"
    try:
        done = _run([node, str(SCRIPT), str(folder), str(folder / "models" / name)])
    except subprocess.TimeoutExpired:
        return _failed(host, metadata, f"TimeoutError: no answer within {SECONDS:g} s")
    if done.returncode:
        return _failed(host, metadata, done.stderr)
    compared: dict[str, Any] = json.loads(done.stdout)
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


def _failed(host: str, metadata: ModelMetadata, said: str) -> ExportTrial:
    """The trial of a form that gives no answers; the host's own words tell why."""
    errors = [line.strip() for line in said.splitlines() if "Error" in line] or ["it gives no answers"]
    return ExportTrial(
        host=host,
        vector_count=len(metadata.golden),
        probability_difference=float("inf"),
        tolerance=metadata.golden_tolerance.probability,
        differing=(errors[0][:200],),
    )


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
