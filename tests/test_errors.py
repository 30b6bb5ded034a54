"""What vidi raises where an optional package is missing."""

import pytest

from vidi.errors import MissingPackageError, from_extra


def test_a_failed_import_says_what_needs_the_package_and_which_extra_brings_it():
    with pytest.raises(MissingPackageError) as raised, from_extra("figures need matplotlib", extra="report"):
        import no_such_package  # noqa: F401

    assert str(raised.value) == (
        'figures need matplotlib, which is not installed\n  Install it: pip install "vidi[report]"'
    )
    assert isinstance(raised.value.__cause__, ImportError)


def test_other_errors_pass_unchanged():
    with pytest.raises(ZeroDivisionError), from_extra("figures need matplotlib", extra="report"):
        1 / 0  # noqa: B018
