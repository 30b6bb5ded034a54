"""What reading a source costs, measured in a process of its own so that nothing else is counted."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """
import json, resource, sys, time
from vidi.data.read import read_dataset

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

idle, started = peak(), time.process_time()
dataset = read_dataset(sys.argv[1])
print(json.dumps([len(dataset.images), len(dataset.classes), time.process_time() - started, peak() - idle]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What `read_dataset` found and took."""

    images: int
    classes: int
    seconds: float  # of processor time
    memory_bytes: int  # at the peak, over the idle process


def cost_of_reading(source: Path) -> Cost:
    """Read a source in a fresh process."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(source)], capture_output=True, text=True, check=True)
    return Cost(*json.loads(done.stdout))
