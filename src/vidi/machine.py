"""What this computer offers: cores, memory, a clock that never runs backwards, and memory that is kept."""

import contextlib
import ctypes
import hashlib
import math
import mmap
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vidi.errors import UsageError

OLD_GLIBC_MAPPED_FROM = 32 << 20  # before 2.35 glibc refuses a higher threshold; larger tensors are still mapped there
LEAST_SHARE = 0.1  # of the processor: a lower one would be a hiccup
VECTORS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")
SHORT_WAIT = "2000"  # looks before a thread sleeps, less than a tenth of a millisecond; GNU's OpenMP reads it


def core_count() -> int:
    """Return the number of processor cores to use.

    Those that this process may use, or a control group's share of them, or the number in `VIDI_CORES`, whichever is
    least; at least 1.

    Raises:
        UsageError: `VIDI_CORES` is not a count.
    """
    return max(1, min(len(_allowed_cores()), _core_quota(), _wanted_cores()))


def _wanted_cores() -> int:
    named = os.environ.get("VIDI_CORES", "")
    if not named:
        return sys.maxsize
    if not (named.isascii() and named.isdigit()) or int(named) < 1:
        raise UsageError(f"VIDI_CORES is {named!r}, which is no number of cores", "Set it to 1 or more, or unset it.")
    return int(named)


def physical_core_count() -> int:
    """Of these the physical ones, where two of what the system calls cores may be one core's two threads."""
    cores = {_siblings(core) or str(core) for core in _allowed_cores()}
    return max(1, min(len(cores), core_count()))


def _allowed_cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _siblings(core: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text().strip()
    return ""


def _core_quota(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores' worth of time that the control group grants, rounded up; a great many where it sets no limit."""
    with contextlib.suppress(OSError, ValueError):  # version 2: "200000 100000", or "max 100000"
        granted, of = (folder / "cpu.max").read_text().split()
        return math.ceil(int(granted) / int(of))
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # version 1; -1 is no limit
        quota, period = (int((folder / f"cpu/cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return math.ceil(quota / period) if quota > 0 else 1 << 20
    return 1 << 20


def processor_name() -> str:
    """Name, cores and widest vector instructions of the processor: what decides which code is fastest on it."""
    text = ""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
    name = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "")
    known = [flag for flag in VECTORS if f" {flag} " in text]
    return f"{name or platform.processor() or platform.machine()}, {core_count()} cores{', '.join(['', *known])}"


def memory_bytes() -> int:
    """Memory that this process may use: the machine's, or its control group's limit where that is smaller."""
    amounts = [1 << 62]
    with contextlib.suppress(ValueError, OSError, AttributeError):
        amounts.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(ValueError, OSError):
            amounts.append(int(Path(limit).read_text()))
    return min(amounts)


def tune_allocator(*, mapped_from: int = 1 << 30, kept: int = 2**31 - 1, ahead: int = 256 << 20) -> bool:
    """Tell glibc to keep freed memory instead of giving it back after every tensor; true where that was possible.

    Plain torch on Linux spends half its time in page faults: each large tensor is mapped, zeroed and given back.
    With these three settings a steady training step has none. Elsewhere nothing happens.

    Args:
        mapped_from: bytes from which a single piece is still mapped and given back.
        kept: bytes of free memory that are kept at the end of the heap.
        ahead: bytes that are asked for beyond what is needed.
    """
    m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # macOS, Windows, musl
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    if mallopt(m_mmap_threshold, mapped_from) != 1 and mallopt(m_mmap_threshold, OLD_GLIBC_MAPPED_FROM) != 1:
        return False
    return all(mallopt(setting, value) == 1 for setting, value in ((m_trim_threshold, kept), (m_top_pad, ahead)))


def give_memory_back() -> None:
    """Return freed memory to the system now, where `tune_allocator` had it kept."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


# torch says it only in a RuntimeError's text: its allocator on Linux, on Windows, a C++ exception, a GPU's, and oneDNN,
# whose "primitive" fails for nothing else once the first batch has gone through.
_SHORTAGE = re.compile(r"can't allocate memory|not enough memory|bad_alloc|out of memory|could not \w+ a primitive")


def is_memory_shortage(error: BaseException) -> bool:
    """Whether numpy or torch could not get memory.

    >>> is_memory_shortage(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    return isinstance(error, MemoryError) or _SHORTAGE.search(str(error)) is not None


def limit_memory(growth: int) -> None:
    """Let this process grow by that many bytes of memory and no more, for good, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (now + growth,) * 2)


def wait_without_spinning() -> None:
    """Let torch's threads sleep while they wait for one another; has an effect only before torch is imported.

    By default they spin, which costs nothing on an idle machine, but beside another busy process a training step of
    a small network takes five times as long (`python -m bench spinning`). Asleep at once, on the other hand, they must
    be woken hundreds of times in a step: so they look around for a moment first. A choice of the user's own stands.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", SHORT_WAIT)


def free_share(
    seconds: float = 0.1,
    *,
    cores: int | None = None,
    now: Callable[[], float] = time.monotonic,
    worked: Callable[[], float] = time.thread_time,
) -> float:
    """The share of its cores' time that this process gets at present: 1 on an idle machine, less beside other work.

    Every core is kept busy for a moment, and what was got of it is counted. What was measured on an idle machine takes
    so many times longer.

    Args:
        seconds: how long to look.
        cores: that are kept busy; all that this process may use when left out.
        now: the clock, in seconds.
        worked: seconds that the calling thread got of a core.
    """
    cores, block = cores or core_count(), bytes(1 << 20)
    until = now() + seconds

    def work(_: int) -> float:
        began = worked()
        while now() < until:
            hashlib.sha256(block)  # lets the other threads run
        return worked() - began

    began = now()
    with ThreadPoolExecutor(cores, thread_name_prefix="vidi-look") as executor:
        got = sum(executor.map(work, range(cores)))
    return min(1.0, max(LEAST_SHARE, got / (cores * (now() - began))))


@contextlib.contextmanager
def one_matrix_thread() -> Iterator[None]:
    """Let numpy multiply matrices on one thread inside the block, where it brings OpenBLAS along; else no effect.

    Many small products gain nothing from more threads, and lose ten times over while these spin beside other work.
    """
    import numpy as np  # this module is imported where numpy is not wanted yet

    libraries = Path(np.__file__).parent.parent / "numpy.libs"
    for path in libraries.glob("*openblas*"):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(path))  # numpy has loaded it already: this only finds it again
            count = int(library.scipy_openblas_get_num_threads64_())
            library.scipy_openblas_set_num_threads64_(1)
            try:
                yield
            finally:
                library.scipy_openblas_set_num_threads64_(count)
            return
    yield


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by which the work must be done, on a clock that no change of date moves."""

    at: float  # seconds of time.monotonic()
    seconds: float  # the whole budget

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The moment that many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    def seconds_left(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.at - time.monotonic()

    def later(self, seconds: float) -> "Deadline":
        """The same deadline with some more seconds."""
        return Deadline(self.at + seconds, self.seconds + seconds)

    def earlier(self, seconds: float) -> "Deadline":
        """The same deadline with some seconds kept back for what comes after."""
        return Deadline(self.at - seconds, self.seconds)
