"""What a server's processes use: processor time and memory of a process and all that it started, from /proc."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # in a second


def process_tree(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _fields(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def cpu_seconds(root: int) -> float:
    """Processor seconds of all of them since they started; those that ended count once their parent has taken note."""
    rows = [fields for process in process_tree(root) if (fields := _fields(process))]
    return sum(sum(map(int, fields[11:15])) for fields in rows) / TICKS


def memory_megabytes(root: int) -> float:
    """Proportional set size of all of them: a page that several share counts once."""
    return sum(_pss_kilobytes(process) for process in process_tree(root)) / 1024


def _fields(process: int) -> list[str]:
    """`/proc/PID/stat` behind the name, so that the parent is field 1, and times stand from 11 on."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return []


def _pss_kilobytes(process: int) -> int:
    try:
        rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in rows if row.startswith("Pss:")), 0)
