"""What the user says about the data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, Self

from vidi.errors import UsageError
from vidi.options import Argument, Option
from vidi.workflows.requests.shared import FollowLinks, KeepTruncated
from vidi.workflows.requests.written import parse_names, parse_parts

# What only a request that learns or splits takes; a model that exists has answered the rest.
OF_SPLITTING = ("allow_leaks", "split_seed", "split_file")
OF_TRAINING = ("framing", "background")
OF_LEARNING = (*OF_SPLITTING, *OF_TRAINING, "multi_label")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """What the user said about the data: everything that is needed to read it again."""

    source: Annotated[
        str, Argument("DATA", "A folder, archive, table or annotation file, or a known set such as digits.")
    ]
    classes: Annotated[tuple[str, ...] | None, Option("Keep only these classes.", metavar="A,B", read=parse_names)] = (
        None
    )
    positive: Annotated[str | None, Option("Make two classes: NAME, and not NAME.", metavar="NAME")] = None
    names: Annotated[str | None, Option("Names for classes that the data only numbers.", metavar="0=A,1=B")] = None
    follow_links: FollowLinks = False
    allow_outside: Annotated[bool, Option("Read files outside the data folder that a table names.")] = False
    merge_names: Annotated[bool, Option("Read class names that differ only in case or accents' form as one.")] = False
    multi_label: Annotated[bool, Option("An image may show several classes, or none: each is told by itself.")] = False
    keep_truncated: KeepTruncated = False
    data_dir: Annotated[str | None, Option("Where known sets lie (else VIDI_DATA).", metavar="DIR")] = None
    cache_dir: Annotated[
        str | None, Option("Where decoded images and unpacked archives are kept (else VIDI_CACHE).", metavar="DIR")
    ] = None
    parts: Annotated[
        Mapping[str, str],
        Option("Use the data's parts as others, say validation=test,test=extra.", metavar="A=B,…", read=parse_parts),
    ] = field(default_factory=dict)
    allow_leaks: Annotated[bool, Option("Go on where copies or groups lie on both sides of the data's own split.")] = (
        False
    )
    split_seed: Annotated[int, Option("Decides which images go to which part.")] = 0
    split_file: Annotated[
        str | None,
        Option("Follow a splits.csv (or that of a run folder).", flags=("--split",), metavar="FILE"),
    ] = None
    framing: Annotated[
        Literal["stretch", "pad", "crop"] | None, Option("stretch, pad or crop; chosen from the images.")
    ] = None
    background: Annotated[
        str | None,
        Option("Photographs of none of the classes, for `vidi locate`.", metavar="DIR"),
    ] = None

    def __post_init__(self) -> None:
        if self.framing not in (None, "stretch", "pad", "crop"):
            raise UsageError(f"--framing {self.framing!r} is not known", "Use stretch, pad or crop.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The request that `as_dict` wrote."""
        plain: dict[str, Any] = {**values}
        if plain.get("classes") is not None:
            plain["classes"] = tuple(plain["classes"])
        return cls(**plain)
