"""How often something is tried: few times in `make check` and `make test`, more in `make faults` and `make soak`."""

import os


def count(*, small: int, faults: int | None = None, soak: int | None = None, check: int | None = None) -> int:
    """The number of repeats at the level that VIDI_LEVEL names (`test` when it is not set).

    Args:
        small: in `make test`.
        faults: in `make faults`; by default as many.
        soak: in `make soak`; by default as in `make faults`.
        check: in `make check`, for what is worth it only there; by default as in `make test`.
    """
    faults = small if faults is None else faults
    levels = {"check": small if check is None else check, "test": small, "faults": faults}
    return {**levels, "soak": faults if soak is None else soak}[os.environ.get("VIDI_LEVEL", "test")]
