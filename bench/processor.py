"""Which kind of processor this is: figures of two kinds are never mixed."""

import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from vidi.machine import core_count

FLAGS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")  # what decides how it trains, the best first


def _text() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _family() -> str:
    """Vendor's family and model number: two generations may share a name."""
    found = [re.search(rf"^{name}\s*:\s*(\S+)$", _text(), re.MULTILINE) for name in ("cpu family", "model")]
    return "-".join(match[1] for match in found if match)


def describe() -> str:
    """Name, family, cores and vector instructions, for people."""
    name = re.search(r"^model name\s*:\s*(.+)$", _text(), re.MULTILINE)
    flags = " ".join(flag for flag in FLAGS if f" {flag} " in _text())
    return f"{name[1] if name else platform.machine()}, family {_family() or '?'}, {core_count()} cores, {flags}"


def measured_here() -> dict[str, str]:
    """When and on what processor something is measured; every result file holds both."""
    return {"date": today(), "processor": describe()}


def today() -> str:
    """The date, as result files have it."""
    return datetime.now(UTC).date().isoformat()


def kind() -> str:
    """The same in a few letters, for file names."""
    best = next((flag for flag in FLAGS if f" {flag} " in _text()), "plain")
    return f"{platform.machine()}-{_family() or 'unknown'}-{best}-{core_count()}cores"
