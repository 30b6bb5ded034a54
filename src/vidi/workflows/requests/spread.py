"""The options of verbs that can spread their work over a cluster."""

from dataclasses import dataclass
from typing import Annotated

from vidi.options import Option

Ray = Annotated[
    str | None,
    Option("Work on a Ray cluster, by the address of its head; local: on this computer.", metavar="ADDRESS"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRequest:
    """Where the images are decoded."""

    ray: Ray = None
