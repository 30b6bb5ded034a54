"""Signals that end a command: none is lost in code that catches whatever is raised in it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

GREEDY = """
import os, signal
try:
    os.kill(os.getpid(), signal.{name})
    for _ in range(1000): pass
except BaseException:
    pass
"""
COMMAND = """
import time
from vidi.cli.signals import end_on_signals
end_on_signals()
try:
    import greedy
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs:posix")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_an_import_that_swallows_everything_ends_the_command_after_it(name: str, tmp_path: Path):
    (tmp_path / "greedy.py").write_text(GREEDY.format(name=name))
    done = subprocess.run(
        [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{COMMAND}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "interrupted\n")


def test_elsewhere_it_ends_the_command_at_once():
    from vidi.cli.signals import interrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)
