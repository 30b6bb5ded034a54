"""How fast and how small the page is: answers a second in headless Chromium, the first answer, bytes.

    python -m bench page                       three rounds of five seconds for each model; a minute and a half
    ROUNDS=1 SECONDS=1 python -m bench page    a look whether everything runs

The page is exported and served by a host of files without headers, so that the model runs in one thread, and by
`vidi serve`. Each answer begins with the bytes of a JPEG of 500 x 375 pixels. Chromium begins each round with an empty
cache. Needs playwright (group `browser`), Chromium, and `python tools/fetch_browser_runtime.py`.
"""

import base64
import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.photographs import photograph
from bench.processor import describe
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model
from vidi.networks.build import build_network
from vidi.networks.to_onnx import to_onnx
from vidi.workflows.export import export
from vidi.workflows.requests.export import ExportRequest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PHOTOGRAPHS = 16
COMPACT_SIZE = (64, 64)
RATES = {"compact": 10.0, "lite0": 4.0}  # answers a second, at least, in one thread
MOST_SECONDS = 3.0  # from opening to the first answer
MOST_BYTES = 4_000_000  # compressed, beside the model
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

ANSWERS = """
async ({ photographs, seconds, threads }) => {
  const { openModel, readModels } = await import("./engine.js");
  const { models } = await readModels();
  const model = await openModel(models[0].path, threads ? { threads } : {});
  const blobs = photographs.map((text) => new Blob([Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))]));
  await model.classify(blobs[0]);
  const first = performance.now();
  let count = 0;
  while (performance.now() - first < 1000 * seconds) {
    await model.classify(blobs[count % blobs.length]);
    count += 1;
  }
  const rate = seconds ? (1000 * count) / (performance.now() - first) : 0;
  const { passed } = await model.selfTest();
  model.close();
  return { first, rate, passed, threads: model.threads };
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
        document: dict[str, Any] = {"processor": describe(), "chromium": chromium.version, "rounds": rounds}
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
    compact = ModelMetadata(classes=ten, framing=Framing(size=COMPACT_SIZE, mode="stretch"), run="compact")
    graph = to_onnx(build_network("compact", image_size=COMPACT_SIZE, class_count=10), COMPACT_SIZE)
    many = tuple(f"class {index}" for index in range(CLASSES))
    lite = ModelMetadata(classes=many, framing=Framing(size=SIZE, mode="stretch"), run="lite0")
    return {
        "compact": write_model(folder / "compact.onnx", graph, compact).path,
        "lite0": write_model(folder / "lite0.onnx", lite_graph(), lite).path,
    }


def measured(model: Path, page: Path, rounds: int, seconds: float, ask: Any) -> dict[str, Any]:
    """One model's rates and first answers; medians over the rounds."""
    exported = export(ExportRequest(model=model, to="web", output=page))
    figures: dict[str, Any] = {"bytes_beside_the_model": exported.beside_model_bytes}
    with host_of_files(page) as url:
        runs = [ask(url, seconds=seconds, threads=1) for _ in range(rounds)]
    figures["answers_a_second"] = rounded(run["rate"] for run in runs)
    figures["first_answer_seconds"] = rounded(run["first_seconds"] for run in runs)
    with vidi_server(model) as url:
        several = [ask(url, seconds=seconds, threads=0) for _ in range(rounds)]
    figures["server"] = {
        "threads": several[0]["threads"],
        "answers_a_second": rounded(run["rate"] for run in several),
        "first_answer_seconds": rounded(run["first_seconds"] for run in several),
    }
    figures["self_test_passed"] = all(run["passed"] for run in (*runs, *several))
    return figures


def rounded(values: Iterator[float]) -> dict[str, float]:
    """Median, least and most."""
    found = [round(value, 2) for value in values]
    return {"median": statistics.median(found), "least": min(found), "most": max(found)}


def asked(chromium: "Browser", url: str, *, photographs: list[str], seconds: float, threads: int) -> dict[str, Any]:
    """What a page that was just opened, with an empty cache, measures."""
    context = chromium.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(f"{url}runtime.json")  # a file of the page that runs nothing by itself
    given = {"photographs": photographs, "seconds": seconds, "threads": threads}
    opened = page.evaluate("performance.timeOrigin")
    found: dict[str, Any] = page.evaluate(ANSWERS, given)
    assert opened > 0
    found["first_seconds"] = found["first"] / 1000  # since the page was opened
    assert found["first_seconds"] < time.perf_counter() - began
    context.close()
    return found


def gates(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What must hold, and whether it does."""
    found: dict[str, dict[str, Any]] = {}
    for name, least in RATES.items():
        figures = document[name]
        rate = figures["answers_a_second"]["median"]
        found[f"{name}: answers a second in one thread"] = {"is": rate, "at_least": least, "met": rate >= least}
        for host, timed in (("a host of files", figures), ("vidi serve", figures["server"])):
            first = timed["first_answer_seconds"]["median"]
            found[f"{name}: first answer from {host}, seconds"] = {
                "is": first,
                "at_most": MOST_SECONDS,
                "met": first <= MOST_SECONDS,
            }
        passed = figures["self_test_passed"]
        found[f"{name}: self-test"] = {"is": passed, "met": passed}
    size = max(document[name]["bytes_beside_the_model"] for name in RATES)
    found["compressed bytes beside the model"] = {"is": size, "at_most": MOST_BYTES, "met": size <= MOST_BYTES}
    return found


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *_: object) -> None:
        """Nothing is written."""


@contextlib.contextmanager
def host_of_files(folder: Path) -> Iterator[str]:
    """The address of a host without headers of its own."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


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
