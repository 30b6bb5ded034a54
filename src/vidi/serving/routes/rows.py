"""The parts of a predictions document, as the command line's functions make them."""

from typing import TypeAlias

Row: TypeAlias = dict[str, object]  # one image's
Document: TypeAlias = dict[str, object]
