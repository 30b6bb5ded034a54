"""How fast, small and steady the server is, beside others: `python -m bench serve [--rounds 3] [--output FILE]`.

Every server answers the same photographs with its five most probable classes, from the same network; each runs alone,
in turns. What else runs on the machine disturbs rates and latencies, so the gates are ratios, most of them of images
per processor second. LitServe and FastAPI are in no extra: `pip install --group rivals`, or name the folder of
`pip install --target FOLDER` in RIVALS; without them the rest is measured, and the document says what is missing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.photographs import write_photographs
from bench.processor import measured_here
from bench.serving.contestants import (
    LIGHTER,
    OTHERS,
    RIVALS,
    VARIANTS,
    VIDI,
    Contestant,
    Running,
    missing_packages,
    running,
)
from bench.serving.gates import judge, summarise
from bench.serving.parts import import_cpu_seconds, parts_side_by_side
from bench.serving.processes import memory_megabytes
from vidi.export.precisions import to_int8
from vidi.images.framing import Framing
from vidi.machine import core_count, processor_name
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import finished_bytes, write_model

PHOTOGRAPHS = 64
CONNECTIONS = (8, 1)
OVERLOADS = (4, 10)  # times the rate at saturation
OVERLOAD_SECONDS, OVERLOAD_WARM_UP = 10.0, 3.0
WARMED_BY = 500  # requests, before memory is looked at
PACKAGES = ("numpy", "pillow", "simplejpeg", "onnxruntime", "starlette", "uvicorn", "torch", "fastapi", "litserve")


class Bench:
    """The files that all servers are given."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.seconds = seconds
        self.photographs = folder / "photographs"
        paths = write_photographs(self.photographs, PHOTOGRAPHS)
        self.mean_bytes = sum(map(os.path.getsize, paths)) // len(paths)
        self.photograph = Path(paths[0]).read_bytes()
        self.models = {name: folder / f"{name}.onnx" for name in ("fp32", "int8", "plain")}
        classes = tuple(f"class {index}" for index in range(CLASSES))
        framing = Framing(size=SIZE, mode="stretch")
        metadata = ModelMetadata(classes=classes, framing=framing)
        write_model(self.models["fp32"], lite_graph(), metadata)
        framed = np.random.default_rng(0).integers(0, 256, (16, *SIZE, 3), np.uint8)
        lighter = to_int8(onnx.load(self.models["fp32"]), framed)
        self.models["int8"].write_bytes(finished_bytes(lighter, metadata))
        plain = helper.make_model(lite_graph(), opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        onnx.save(plain, self.models["plain"])

    def load(self, server: Running, contestant: Contestant, *arguments: object) -> dict[str, Any]:
        """What the load generator saw."""
        command = [sys.executable, "-m", "bench.serving.load", str(server.port), contestant.path, str(self.photographs)]
        given = ["--pid", str(server.pid), "--seconds", str(self.seconds), *map(str, arguments)]
        done = subprocess.run([*command, *given], capture_output=True, text=True, check=True)
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def visit(self, contestant: Contestant) -> dict[str, Any]:
        """One round of one server: started, loaded, weighed, stopped."""
        with running(contestant, self.models, self.photograph) as server:
            loads = {str(count): self.load(server, contestant, "--connections", count) for count in CONNECTIONS}
            return {
                "ready_seconds": server.ready_seconds,
                "ready_cpu_seconds": server.ready_cpu_seconds,
                "connections": loads,
                "memory_megabytes": memory_megabytes(server.pid),
            }

    def overload(self) -> dict[str, Any]:
        """vidi at its saturation, then where requests come faster than they can be answered."""
        with running(VIDI, self.models, self.photograph) as server:
            saturated = self.load(server, VIDI, "--connections", CONNECTIONS[0])
            document: dict[str, Any] = {"saturation": saturated}
            for times in OVERLOADS:
                rate = times * saturated["images_per_second"]
                timing = ("--seconds", OVERLOAD_SECONDS, "--warm-up", OVERLOAD_WARM_UP)
                document[f"{times} times"] = {"rate": rate, **self.load(server, VIDI, "--rate", rate, *timing)}
                if times == OVERLOADS[0]:
                    few = self.load(server, VIDI, "--rate", rate, "--pipelined", *timing)
                    document[f"{times} times, pipelined"] = {"rate": rate, **few}
            return document

    def growth(self, count: int) -> dict[str, Any]:
        """Memory of vidi before and after many requests."""
        with running(VIDI, self.models, self.photograph) as server:
            self.load(server, VIDI, "--count", WARMED_BY)
            before = memory_megabytes(server.pid)
            done = self.load(server, VIDI, "--count", count)
            after = memory_megabytes(server.pid)
        return {"requests": count, "statuses": done["statuses"], "megabytes": [before, after], "grown": after - before}


def measure(bench: Bench, rounds: int, growth_requests: int) -> dict[str, Any]:
    """All figures, as one document."""
    absent = {one.name: missing for one in OTHERS if (missing := missing_packages(one))}
    present = [VIDI, LIGHTER, *(one for one in OTHERS if one.name not in absent), *VARIANTS]
    visits: dict[str, list[dict[str, Any]]] = {one.name: [] for one in present}
    parts, imports = [], []
    for number in range(rounds):
        parts.append(parts_side_by_side(bench.models["fp32"], bench.photographs, core_count()))
        imports += [import_cpu_seconds() for _ in range(3)]
        for one in present if number % 2 == 0 else reversed(present):
            visits[one.name].append(bench.visit(one))
            print(f"round {number + 1} of {rounds}: {one.name}", file=sys.stderr)
    document: dict[str, Any] = {
        "rounds": rounds,
        "seconds": bench.seconds,
        "mean_bytes": bench.mean_bytes,
        **measured_here(),
        "has_vnni": "vnni" in processor_name(),
        "versions": versions(PACKAGES),
        "python": platform.python_version(),
        "missing": absent,
        "part_cpu_milliseconds": parts,
        "import_cpu_seconds": imports,
        "servers": visits,
        "overload": bench.overload(),
        "growth": bench.growth(growth_requests),
    }
    return document


def versions(names: Sequence[str]) -> dict[str, str]:
    """Of the packages that are there, in this environment or among the rivals."""
    beside = {one.name.lower(): one.version for one in distributions(path=[RIVALS])} if RIVALS else {}
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = beside.get(name) or version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Measure, print, and end with 7 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="each window of load")
    parser.add_argument("--growth-requests", type=int, default=5_000)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        document = measure(Bench(Path(folder), given.seconds), given.rounds, given.growth_requests)
    document["summary"] = summarise(document)
    document["gates"] = judge(document["summary"])
    text = json.dumps(rounded(document), indent=1)
    print(text)
    if given.output is not None:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text + "\n")
    sys.exit(0 if all(document["gates"].values()) and not document["missing"] else 7)


def rounded(value: Any) -> Any:
    """Four digits are more than any of them deserves."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
