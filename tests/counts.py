"""How often a fault is tried: few times in `make test`, more in `make faults`, many in `make soak`."""

import os


def count(*, small: int, faults: int, soak: int) -> int:
    """The number of repeats at the level that VIDI_LEVEL names (`test` when it is not set)."""
    return {"test": small, "faults": faults, "soak": soak}[os.environ.get("VIDI_LEVEL", "test")]
