"""What can be wrong with a prediction log."""

from typing import Literal

from vidi.errors import DataError, ModelError, ResourceError

Trouble = Literal["locked", "full", "lost"]


class LogUnavailableError(ResourceError):
    """The log cannot be read or written now; `trouble` is its state. What was committed before is there."""

    def __init__(self, trouble: Trouble, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.args = (trouble, cause, remedy)  # what pickle calls the class with again
        self.trouble = trouble


class NewerLogError(ModelError):
    """The log was written by a newer vidi."""


class NoLogError(DataError):
    """There is no log at an address, or what is there is none."""
