"""The command `vidi` in this process, as a terminal would start it: a new process costs seconds for what it imports."""

import contextlib
import io
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from vidi.cli.app import main

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def vidi(*words: object, folder: Path, stdin: bytes = b"", merged: bool = False) -> Done:
    """Run the command in a folder.

    Args:
        words: what stands after `vidi`.
        folder: the working folder.
        stdin: what the command reads from standard input.
        merged: both outputs in `stdout`, in the order in which a terminal shows them.
    """
    out = _stream()
    err = out if merged else _stream()
    code = 0
    with (
        contextlib.chdir(folder),
        _signals_restored(),
        patch.object(sys, "argv", ["vidi", *map(str, words)]),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Done(code, _written(out), "" if merged else _written(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    """The command takes over the signals of its process: afterwards they are the tests' again."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
