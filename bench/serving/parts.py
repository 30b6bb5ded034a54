"""What answering costs without a server: decoding, the session, and the imports.

    python -m bench.serving.parts MODEL PHOTOGRAPHS

prints processor milliseconds an image of decoding with framing and of the session, each in one thread.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

IMPORTS = (
    "import numpy, PIL.Image, simplejpeg, onnxruntime, starlette.applications, uvicorn, httptools, "
    "python_multipart, prometheus_client, msgspec"
)
ROUNDS = 5


def measure_parts(model: Path, photographs: Path) -> dict[str, float]:
    """Processor milliseconds an image, medians of rounds in turns."""
    from vidi.images.decode import DecodeJob, read_one
    from vidi.images.limits import DecodeOptions
    from vidi.prediction.predictor import Predictor

    predictor = Predictor.load(model)
    files = [path.read_bytes() for path in sorted(photographs.glob("*.jpg"))]
    framing = predictor.metadata.framing

    def decode() -> list[object]:
        return [read_one(f, DecodeJob(framing=framing, options=DecodeOptions())).image for f in files]

    images = np.stack(decode())  # type: ignore[arg-type]

    def classify() -> None:
        for image in images:
            predictor.run(image[None], ["probabilities"])

    used: dict[str, list[float]] = {"decode": [], "session": []}
    parts: Mapping[str, Callable[[], object]] = {"decode": decode, "session": classify}
    for _ in range(ROUNDS):
        for name, part in parts.items():
            before = time.process_time()
            part()
            used[name].append(1000 * (time.process_time() - before) / len(files))
    return {name: statistics.median(values) for name, values in used.items()}


def parts_side_by_side(model: Path, photographs: Path, count: int) -> dict[str, float]:
    """The same in several processes at once, as a server's threads run on all cores; their mean."""
    command = [sys.executable, "-m", "bench.serving.parts", str(model), str(photographs)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(count)]
    found = [json.loads(process.communicate()[0]) for process in processes]
    return {name: statistics.mean(one[name] for one in found) for name in found[0]}


def import_cpu_seconds() -> float:
    """Processor seconds of a process that only imports what the server stands on."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    print(json.dumps(measure_parts(Path(sys.argv[1]), Path(sys.argv[2]))))
