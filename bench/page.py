"""How fast and how small the page is: answers a second in headless Chromium, the first answer, bytes.

    python -m bench page                       three rounds of five seconds for each model; a minute and a half
    ROUNDS=1 SECONDS=1 python -m bench page    a look whether everything runs

The page is exported and served by a host of files without headers, so that the model runs in one thread, and by `vidi
serve`, where it is given two. Each answer begins with the bytes of a JPEG of 500 x 375 pixels. Chromium begins each
round with an empty cache. What else runs on the machine disturbs times by the clock: the bar for answers is held
against the processor time of all of Chromium's processes, the one for first answers against the least disturbed
round. Needs Linux, playwright (group `browser`), Chromium, and `python tools/fetch_browser_runtime.py`.
"""

import base64
import contextlib
import functools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.file_host import static_host
from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.photographs import photograph
from bench.processor import measured_here
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata, Provenance
from vidi.model_file.write import write_model
from vidi.networks.build import build_network
from vidi.networks.to_onnx import to_onnx
from vidi.workflows.export import export
from vidi.workflows.requests.model_file import ExportRequest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PHOTOGRAPHS = 16
TWO = 2  # threads, which only a host that isolates the page allows
COMPACT_SIZE = (64, 64)
RATES = {"compact": 10.0, "lite0": 4.0}  # answers a second, at least, in one thread
MOST_SECONDS = 3.0  # from opening to the first answer
MOST_BYTES = 4_000_000  # compressed, beside the model
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

FIRST = """
async ({ photographs, threads }) => {
  const { openModel, readModels } = await import("./engine.js");
  const { models } = await readModels();
  const model = await openModel(models[0].path, { threads });
  const blobs = photographs.map((text) => new Blob([Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))]));
  await model.classify(blobs[0]);
  globalThis.measured = { model, blobs };
  return { seconds: performance.now() / 1000, threads: model.threads };
}
"""
MORE = """
async (seconds) => {
  const { model, blobs } = globalThis.measured;
  const began = performance.now();
  let count = 0;
  for (; performance.now() - began < 1000 * seconds; count += 1) await model.classify(blobs[count % blobs.length]);
  return { count, seconds: (performance.now() - began) / 1000 };
}
"""


def main() -> None:
    """Measure, print, and exit with 7 where a bar is not met."""
    rounds, seconds = int(os.environ.get("ROUNDS", "3")), float(os.environ.get("SECONDS", "5"))
    browser = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit("Chromium is not installed: sudo apt install chromium")
    from playwright.sync_api import sync_playwright

    photographs = [base64.b64encode(photograph((375, 500), seed=seed)).decode() for seed in range(PHOTOGRAPHS)]
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu"]
        chromium = driver.chromium.launch(executable_path=browser, args=flags)
        document: dict[str, Any] = {**measured_here(), "chromium": chromium.version, "rounds": rounds}
        for name, model in models(Path(place)).items():
            ask = functools.partial(asked, chromium, photographs=photographs)
            document[name] = measured(model, Path(place) / f"{name}-page", rounds, seconds, ask)
        chromium.close()
    document["gates"] = gates(document)
    print(json.dumps(document, indent=1))
    sys.exit(0 if all(gate["met"] for gate in document["gates"].values()) else 7)


def models(folder: Path) -> dict[str, Path]:
    """The two networks as model files, with random weights."""
    ten = tuple(f"class {index}" for index in range(10))
    compact = ModelMetadata(
        classes=ten, framing=Framing(size=COMPACT_SIZE, mode="stretch"), provenance=Provenance(run="compact")
    )
    graph = to_onnx(build_network("compact", image_size=COMPACT_SIZE, class_count=10), COMPACT_SIZE)
    many = tuple(f"class {index}" for index in range(CLASSES))
    lite = ModelMetadata(classes=many, framing=Framing(size=SIZE, mode="stretch"), provenance=Provenance(run="lite0"))
    return {
        "compact": write_model(folder / "compact.onnx", graph, compact).path,
        "lite0": write_model(folder / "lite0.onnx", lite_graph(), lite).path,
    }


def measured(model: Path, page: Path, rounds: int, seconds: float, ask: Any) -> dict[str, Any]:
    """One model's rates and first answers: in one thread from a host of files, and in two from `vidi serve`."""
    exported = export(ExportRequest(model=model, to="web", output=page))
    with static_host(page) as url:
        alone = [ask(url, seconds=seconds, threads=1) for _ in range(rounds)]
    with vidi_server(model) as url:
        served = [ask(url, seconds=seconds, threads=TWO) for _ in range(rounds)]
    return {
        "bytes_beside_the_model": exported.beside_model_bytes,
        "self_test_passed": all(run["passed"] for run in (*alone, *served)),
        "host of files": medians(alone),
        "vidi serve": medians(served),
    }


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over the rounds, and the soonest first answer."""
    found = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0] if name != "passed"}
    return found | {"soonest_first_answer_seconds": round(min(run["first_answer_seconds"] for run in runs), 3)}


def asked(chromium: "Browser", url: str, *, photographs: list[str], seconds: float, threads: int) -> dict[str, Any]:
    """What a page that was just opened, with an empty cache, measures."""
    before = processor_seconds()
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{url}runtime.json")  # a file of the page that runs nothing by itself
    first = page.evaluate(FIRST, {"photographs": photographs, "threads": threads})
    opened = processor_seconds()
    more = page.evaluate(MORE, seconds)
    used = processor_seconds() - opened
    passed = page.evaluate("globalThis.measured.model.selfTest()")["passed"]
    context.close()
    return {
        "threads": first["threads"],
        "answers_a_second": more["count"] / more["seconds"],
        "answers_a_processor_second": more["count"] / used,
        "first_answer_seconds": first["seconds"],  # since the page was opened
        "first_answer_processor_seconds": opened - before,
        "passed": passed,
    }


def processor_seconds() -> float:
    """What Chromium's processes have used that live now."""
    total = 0
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if folder.name.isdigit() and is_ours(folder):
                tasks = (folder / "task").iterdir()
                total += sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    return total / 1e9


def is_ours(folder: Path) -> bool:
    """Whether a process is Chromium, started below this one."""
    if b"chrom" not in (folder / "cmdline").read_bytes().split(b"\0")[0]:
        return False
    parent = folder
    while (pid := parents_number(parent)) > 1:
        if pid == os.getpid():
            return True
        parent = Path(f"/proc/{pid}")
    return False


def parents_number(folder: Path) -> int:
    """The number of a process's parent."""
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])


def gates(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What must hold, and whether it does."""
    found: dict[str, dict[str, Any]] = {}
    for name, least in RATES.items():
        figures = document[name]
        rate = figures["host of files"]["answers_a_processor_second"]
        found[f"{name}: answers a processor second"] = {"is": rate, "at_least": least, "met": rate >= least}
        for host in ("host of files", "vidi serve"):
            first = figures[host]["soonest_first_answer_seconds"]
            gate = {"is": first, "at_most": MOST_SECONDS, "met": first <= MOST_SECONDS}
            found[f"{name}: first answer, {host}, seconds"] = gate
        passed = figures["self_test_passed"]
        found[f"{name}: self-test"] = {"is": passed, "met": passed}
    size = max(document[name]["bytes_beside_the_model"] for name in RATES)
    found["compressed bytes beside the model"] = {"is": size, "at_most": MOST_BYTES, "met": size <= MOST_BYTES}
    return found


@contextlib.contextmanager
def vidi_server(model: Path) -> Iterator[str]:
    """The address of `vidi serve`."""
    command = [sys.executable, "-m", "vidi", "serve", str(model), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            found = next(match for line in process.stderr if (match := re.search(r"listening on (\S+)", line)))
            yield f"{found[1]}/"
        finally:
            process.terminate()
            process.stderr.read()


if __name__ == "__main__":
    main()
