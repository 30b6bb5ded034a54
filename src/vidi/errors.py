"""The errors that vidi raises on purpose: each says what happened and what to do."""

import contextlib
from collections.abc import Iterator

DONE, ALL_BAD, SOME_BAD, ANSWER_IS_NO, INTERRUPTED = (
    0,
    3,
    6,
    7,
    130,
)  # exit codes without an error


class VidiError(Exception):
    """Error with what happened (`cause`) and what to do about it (`remedy`)."""

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)  # both stay in args, so the error survives pickling from a worker
        self.cause, self.remedy = cause, remedy

    def __str__(self) -> str:
        return f"{self.cause}\n  {self.remedy}"


def as_vidi_error(error: Exception) -> VidiError:
    """An error with cause and remedy; one that nobody raised on purpose is a bug, and says so.

    >>> as_vidi_error(KeyError("a")).cause
    "vidi itself failed (KeyError: 'a')"
    """
    if isinstance(error, VidiError):
        return error
    return VidiError(
        f"vidi itself failed ({type(error).__name__}: {error})",
        "This is a bug. Run the command again with `vidi --debug …` and report what it prints.",
    )


class UsageError(VidiError):
    """The command or the call is wrong."""

    exit_code = 2


class DataError(VidiError):
    """The input data cannot be used."""

    exit_code = 3


class ModelError(VidiError):
    """A model file or checkpoint cannot be trusted."""

    exit_code = 4


class ResourceError(VidiError):
    """Disk, memory or time ran out."""

    exit_code = 5


class GateError(VidiError):
    """The work is done, but a required condition (`--gate`, `--strict`) is not met."""

    exit_code = 7


class UnknownNameError(UsageError):
    """A name that is not in one of vidi's lists."""


class MissingPackageError(UsageError):
    """An optional part of vidi is not installed."""


@contextlib.contextmanager
def from_extra(needs: str, *, extra: str) -> Iterator[None]:
    """Say what to install where an import of an optional package fails.

    Args:
        needs: what needs which package, as in "figures need matplotlib".
        extra: the part of vidi that brings the package.

    Raises:
        MissingPackageError: the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingPackageError(
            f"{needs}, which is not installed", f'Install it: pip install "vidi[{extra}]"'
        ) from error


class ShapeError(VidiError, ValueError):
    """Arrays that do not describe the same images, or have the wrong shape."""


class ImageError(DataError):
    """One image that cannot be used, with its reason code.

    `code` is one of the reason codes of `vidi.images.limits.REASONS`; `cause` is one plain sentence about the
    image that does not repeat its path (the caller knows it and stands it in front).
    """

    def __init__(self, code: str, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.args = (code, cause, remedy)  # what pickle calls the class with again
        self.code = code
