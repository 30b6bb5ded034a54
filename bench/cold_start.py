"""Where the time of a cold start goes: one image by `vidi predict`, `vidi --help` and `vidi --version`.

`python -m bench.cold_start [--starts 15]` prints one JSON document: processor time of fresh processes, each in turn.
vidi's modules are compiled first, as pip compiles those it installs: under PYTHONDONTWRITEBYTECODE a checkout never is,
and each start would compile them again. What that costs is the last of the commands.
"""

import argparse
import compileall
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.photographs import write_photographs
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model

SOURCE = Path(__file__).parents[1] / "src" / "vidi"
IMPORTS = "import numpy, PIL.Image, onnxruntime"

# What `vidi predict` has loaded at its end, in the order of loading.
LOADED = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps([name for name in sys.modules if name.split(".")[0] == "vidi"])))
from vidi.cli.app import main
sys.argv = ["vidi", "predict", *sys.argv[1:]]
main()
"""
# The steps of `vidi predict`, one after the other, with the processor seconds used so far after each.
STEPS = """
import json, sys, time
marks = [("the interpreter", time.process_time())]
def mark(name):
    marks.append((name, time.process_time()))
import numpy; mark("importing numpy")
import PIL.Image; mark("importing Pillow")
import onnxruntime; mark("importing onnxruntime")
import click; mark("importing click")
import importlib, pathlib
model, image, *modules = sys.argv[1:]
for name in modules:
    importlib.import_module(name)
mark("importing vidi's modules")
from vidi.cli.app import made_command
made_command("predict"); mark("making the command")
from vidi.model_file.read import read_model
read = read_model(pathlib.Path(model)); mark("reading and checking the model file")
from vidi.prediction.engines import USUAL, open_engine
engine = open_engine(USUAL, read); mark("opening the session")
from vidi.prediction.predictor import Predictor
assert next(Predictor(engine, read).predict_files([image])).prediction; mark("the image: decoding, network, answer")
import atexit, gc
atexit.register(gc.freeze)  # as the command line does
print(json.dumps(marks))
"""


def measure_starts(model: Path, image: Path, starts: int) -> dict[str, object]:
    """Processor seconds of whole processes, each kind in turn."""
    compileall.compile_dir(SOURCE, quiet=1)
    vidi = Path(sys.executable).with_name("vidi")
    predicting = [vidi, "predict", model, image]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(SOURCE, Path(folder) / "vidi", ignore=shutil.ignore_patterns("__pycache__"))
        plain = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        commands = {
            "python -c pass": ([sys.executable, "-c", "pass"], None),
            f"python -c '{IMPORTS}'": ([sys.executable, "-c", IMPORTS], None),
            "vidi --help": ([vidi, "--help"], None),
            "vidi --version": ([vidi, "--version"], None),
            "vidi predict MODEL IMAGE": (predicting, None),
            "… with modules that are not compiled": (predicting, plain),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(starts):
            for name, (command, environment) in commands.items():
                seconds[name].append(used_by(command, environment)[0])
    passing, imports, help_text, _, whole, _ = (statistics.median(values) for values in seconds.values())
    return {
        "cpu_seconds": rounded(seconds),
        "start_over_imports": whole / imports,
        "help_over_pass": help_text / passing,
    }


def measure_parts(model: Path, image: Path, starts: int) -> dict[str, object]:
    """Processor milliseconds of each step of `vidi predict`, the median of fresh processes."""
    _, printed = used_by([sys.executable, "-c", LOADED, model, image])
    modules = json.loads(printed.splitlines()[-1])
    parts: dict[str, list[float]] = {}
    for _ in range(starts):
        used, printed = used_by([sys.executable, "-c", STEPS, model, image, *modules])
        before = 0.0
        for name, until in [*json.loads(printed.splitlines()[-1]), ("the end of the process", used)]:
            parts.setdefault(name, []).append(1_000 * (until - before))
            before = until
    return {
        "modules": len(modules),
        "parts_milliseconds": {name: round(statistics.median(values), 1) for name, values in parts.items()},
    }


def used_by(
    command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """Processor seconds of a process from its beginning to its end, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def rounded(figures: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Three digits are more than any of them deserves."""
    return {name: [float(f"{value:.3g}") for value in values] for name, values in figures.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=15, help="fresh processes of each kind")
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory() as folder:
        model, image = Path(folder) / "model.onnx", Path(write_photographs(Path(folder), 1)[0])
        classes = tuple(f"class {index}" for index in range(CLASSES))
        write_model(model, lite_graph(), ModelMetadata(classes=classes, framing=Framing(size=SIZE, mode="stretch")))
        print(json.dumps(measure_starts(model, image, starts) | measure_parts(model, image, starts), indent=1))


if __name__ == "__main__":
    main()
