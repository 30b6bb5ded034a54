"""Cases of one promise: the first of them in the fast suite, all of them in `make test`."""

from collections.abc import Iterable
from typing import Any

import pytest


def few_fast(cases: Iterable[Any], fast: int = 1) -> list[Any]:
    """The cases of a parametrised test, slow ones but for the first.

    Args:
        cases: for `pytest.mark.parametrize`; a tuple holds one value for each name.
        fast: how many of them are not slow.
    """
    cases = list(cases)
    further = (case if isinstance(case, tuple) else (case,) for case in cases[fast:])
    return [*cases[:fast], *(pytest.param(*case, marks=pytest.mark.slow) for case in further)]
