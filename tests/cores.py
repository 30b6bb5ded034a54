"""Two cores for tests of what works on several at once; elsewhere each worker of the tests uses one."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def two_cores() -> Iterator[None]:
    """At most two, for everything in a module that imports this, and for the processes that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDI_CORES", "2")
        yield
