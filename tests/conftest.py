"""What all tests share: no skip goes unseen, and none reaches the user's own cache or the network."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; more threads than cores only wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("VIDI_CORES", "1")  # and each process that decodes costs a fifth of a second to start

import gc
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before any test imports torch
gc.disable()  # while modules are imported hardly anything becomes garbage; `pytest_collection_finish` goes on

settings.register_profile("usual", deadline=None)  # a busy computer makes no test fail
settings.register_profile("check", settings.get_profile("usual"), max_examples=20)
settings.load_profile("check" if os.environ.get("VIDI_LEVEL") == "check" else "usual")

LOOPBACK = ("127.", "localhost", "::1")


@pytest.fixture(scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for each cache; pretrained weights, which take long to read from their package, are shared by all."""
    base, folder = tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("caches")
    weights = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "weights"
    weights.mkdir(exist_ok=True)

    def made(number: int) -> Path:
        cache = folder / str(number)
        cache.mkdir()
        (cache / "weights").symlink_to(weights)
        return cache

    return map(made, count())


@pytest.fixture(scope="session", autouse=True)
def _shared_cache(_caches: Iterator[Path]) -> Iterator[None]:
    """What a module's fixtures make goes into a cache of the whole session, not into the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDI_CACHE", str(next(_caches)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test loses power, so nothing needs to reach the disk; each training would wait for it 40 times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True)
def _own_cache(_caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a cache of its own."""
    monkeypatch.setenv("VIDI_CACHE", str(next(_caches)))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="module", autouse=True)
def _closed_browsers() -> Iterator[None]:
    """A file's browsers end with it."""
    yield
    if "tests.export.browser" in sys.modules:
        sys.modules["tests.export.browser"].close_browsers()


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Pages of a file's tests hold frames for pictures: matplotlib would take a third of a small training's time."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
        patch.setattr(
            FigureCanvasSVG, "print_svg", lambda _, stream, **__: stream.write('<svg viewBox="0 0 9 9"></svg>')
        )
        yield


def _is_here(asking: socket.socket, host: str) -> bool:
    """Whether an address is one of this machine's: only those can be bound to."""
    if host.startswith(LOOPBACK):
        return True
    with socket.socket(asking.family) as trial:
        try:
            trial.bind((host, 0))
        except OSError:
            return False
    return True


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that leaves this machine is a fault."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(self, str(host)):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture
def real_data() -> Path:
    """The folder of larger data sets, where VIDI_DATA names one."""
    folder = os.environ.get("VIDI_DATA")
    if not folder:
        pytest.skip("data:VIDI_DATA is not set")
    return Path(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under pytest-xdist the files with most slow tests come first, so that no worker ends long after the other."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = Counter(
            item.path for item in items if {mark.name for mark in item.iter_markers()} & {"slow", "integration"}
        )
        items.sort(key=lambda item: -slow[item.path])  # stable: a file's tests stay together, in their order


def pytest_collection_finish() -> None:
    """What was imported stays to the end: the collector need not look through it again and again."""
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped and why; where continuous integration installs it all, a missing part is a failure."""
    reasons = sorted(
        {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []) if report.longrepr}
    )
    for reason in reasons:
        terminalreporter.write_line(f"skipped: {reason.removeprefix('Skipped: ')}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail on a skip for something that continuous integration should have installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("VIDI_FORBID_MISSING") or reporter is None:
        return
    missing = [r for r in reporter.stats.get("skipped", []) if "needs:" in str(r.longrepr)]
    if missing and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
