"""What no reading should do, by the first bytes of a file; in a module, so that worker processes find it."""

import os
import signal
import sys
from dataclasses import dataclass, replace

from vidi.images.reading import DecodeJob, ReadImage, read_one


@dataclass(frozen=True)
class OddFile:
    """A file whose bytes take too much memory."""

    def read(self, path: str) -> bytes:
        return bytes(4 << 30)


def read_oddly(path: str, job: DecodeJob) -> ReadImage:
    """As `read_one`, but some files kill the process, hang it, put it to sleep, take its memory or raise."""
    data = job.store.read(path)
    if data == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif data == b"exit":
        os._exit(7)
    elif data == b"hang":
        while True:
            pass
    elif data == b"sleep":
        signal.pause()
    elif data == b"memory":
        return read_one(path, replace(job, store=OddFile()))
    elif data == b"fault":
        raise KeyError("of the program")
    elif data == b"handles":
        names = [f"{handle} {os.readlink(f'/proc/self/fd/{handle}')}" for handle in list_handles()]
        return ReadImage(path=path, notes=tuple(names))
    elif data == b"print":
        os.write(1, b"from C")
        os.write(2, b"from C")
    return read_one(path, job)


def list_handles() -> list[str]:
    """The numbers of this process's open files, without the folder in which they are looked up."""
    return [handle for handle in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{handle}")]


class NeverUnpacked:
    """A function that a worker cannot find."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return sys.exit, (3,)

    def __call__(self, path: str, job: DecodeJob) -> ReadImage:
        return read_one(path, job)
