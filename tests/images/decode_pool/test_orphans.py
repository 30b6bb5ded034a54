"""A server that is killed leaves no decoding process behind."""

import subprocess
import sys

import pytest

from tests.processes import all_end, open_handles

SCRIPT = """
import sys, threading
from tests.images.odd_reading import read_oddly
from vidi.images.workers.decode_pool import DecodePool
pool = DecodePool(2, read=read_oddly)
pool.start()
asked = threading.Thread(target=pool.decode, args=(b{data!r},), daemon=True)
asked.start()
while asked.is_alive() and not pool.working:
    pass
print(*pool.pids, flush=True)
asked.join()
sys.stdin.read()
"""


@pytest.mark.fault
@pytest.mark.slow  # a process that starts a pool, three times
@pytest.mark.parametrize("data", ["no image", "sleep", "hang"])
def test_workers_end_with_their_server_also_those_at_work(data):
    script = SCRIPT.format(data=data)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert len(pids) == 2
        handles = open_handles(pids)

        server.kill()
        server.wait()

    assert all_end(handles)
