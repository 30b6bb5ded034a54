"""What isolation costs, measured in a small way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.integration  # a process that draws photographs and decodes them in others
def test_the_bench_of_decoding_weighs_processes_against_threads():
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("hardware:/proc")
    environment = {**os.environ, "ROUNDS": "1", "IMAGES": "20", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, "-m", "bench.decode"], env=environment, capture_output=True, check=False)

    document = json.loads(done.stdout)
    assert done.returncode in (0, 7)
    assert len(document["memory_afterwards_MB"]) == document["workers"]
    for layout in document["milliseconds_an_image"].values():
        assert layout["isolated_processor_time"] > 0.5 * layout["in_threads_processor_time"] > 0
