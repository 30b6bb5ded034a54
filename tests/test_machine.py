import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from vidi.errors import UsageError
from vidi.machine import (
    SHORT_WAIT,
    Deadline,
    _core_quota,
    core_count,
    free_share,
    memory_bytes,
    physical_core_count,
    tune_allocator,
    wait_without_spinning,
)


def test_the_machine_has_a_core_and_some_memory():
    assert core_count() >= 1
    assert 2**28 < memory_bytes() < 2**50


def test_a_deadline_counts_down_and_can_keep_some_time_back():
    deadline = Deadline.after(100)

    assert 99 < deadline.seconds_left() <= 100
    assert 39 < deadline.earlier(60).seconds_left() <= 40


def test_the_share_of_the_processor_is_a_share():
    assert 0.1 <= free_share(0.02) <= 1


def test_beside_other_work_the_share_is_what_was_got():
    clock = iter(range(1_000))  # each look at the clock is a second later; a thread gets a quarter of each

    share = free_share(20, cores=1, now=lambda: float(next(clock)), worked=lambda: 0.25 * next(clock))

    assert share == pytest.approx(0.25, abs=0.05)


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


def test_an_older_c_library_gets_the_threshold_that_it_accepts(monkeypatch):
    asked = []

    def mallopt(setting: int, value: int) -> int:
        asked.append((setting, value))
        return int(setting != -3 or value <= 32 << 20)

    monkeypatch.setattr("vidi.machine.ctypes.CDLL", lambda _: SimpleNamespace(mallopt=mallopt))

    assert tune_allocator()
    assert [value for setting, value in asked if setting == -3] == [1 << 30, 32 << 20]
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SHORT_WAIT}),
        ({"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_threads_look_around_before_they_sleep_unless_the_user_chose_otherwise(monkeypatch, before, after):
    monkeypatch.setattr(os, "environ", dict(before))

    wait_without_spinning()

    assert os.environ == after


def test_tuning_twice_does_no_harm():
    assert tune_allocator() == tune_allocator()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_control_groups_share_of_the_cores_is_rounded_up(tmp_path, files, cores):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert _core_quota(tmp_path) == cores or (cores is None and _core_quota(tmp_path) > 1_000)


def test_no_more_cores_are_used_than_the_user_wants(monkeypatch):
    def cores(named):
        monkeypatch.setenv("VIDI_CORES", named)
        return core_count()

    assert cores("1") == physical_core_count() == 1
    assert cores("100000") == cores("")


@pytest.mark.parametrize("named", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_cores_that_is_none_is_refused(monkeypatch, named):
    monkeypatch.setenv("VIDI_CORES", named)

    with pytest.raises(UsageError, match="VIDI_CORES"):
        core_count()


def test_there_are_no_more_physical_cores_than_cores():
    assert 1 <= physical_core_count() <= core_count()
