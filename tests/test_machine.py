import subprocess
import sys

import pytest

from vidi.machine import Deadline, core_count, memory_bytes, tune_allocator


def test_the_machine_has_a_core_and_some_memory():
    assert core_count() >= 1
    assert 2**28 < memory_bytes() < 2**50


def test_a_deadline_counts_down_and_can_keep_some_time_back():
    deadline = Deadline.after(100)

    assert 99 < deadline.seconds_left() <= 100
    assert 39 < deadline.earlier(60).seconds_left() <= 40


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator's settings are glibc's")
def test_a_tuned_allocator_keeps_its_memory():
    program = """
import resource
import numpy as np
from vidi.machine import tune_allocator
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
assert tune_allocator()
np.ones(1 << 22)
before = faults()
for _ in range(10): np.ones(1 << 22)
print(faults() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    # Ten arrays of 32 MB are 80,000 pages when each is mapped anew.
    assert int(done.stdout) < 8_000


def test_tuning_twice_does_no_harm():
    assert tune_allocator() == tune_allocator()
