"""The options that describe the data, and those of `vidi check` and `vidi split`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from vidi.data.project import sources_of
from vidi.errors import UsageError
from vidi.options import Argument, Option, Part, require_kinds
from vidi.workflows.requests.shared import (
    AllowOutside,
    KeepTruncated,
    LabelsFile,
    Pictures,
    parse_names,
    parse_parts,
)

# Options of requests that train or split; the model file holds them for all others.
OF_SPLITTING = ("allow_leaks", "split_file")
OF_TRAINING = ("framing", "background", "proposals", "feedback")
OF_LEARNING = (*OF_SPLITTING, *OF_TRAINING, "classes", "keep_truncated", "multi_label")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """Options that say which images are read, and what they show."""

    source: Annotated[
        str,
        Argument(
            "DATA",
            "Folder, archive, table or annotation file of images, a project, or a known set.",
        ),
    ]
    classes: Annotated[
        tuple[str, ...] | None, Option("Keep only these classes, for example cat,dog.", metavar="A,B", read=parse_names)
    ] = None
    positive: Annotated[str | None, Option("Use two classes: NAME and not NAME.", metavar="NAME")] = None
    names: Annotated[
        str | None,
        Option("Rename classes, for example 0=cat,1=dog; the same name for two merges them.", metavar="OLD=NEW,…"),
    ] = None
    allow_outside: AllowOutside = False
    labels: LabelsFile = None
    labels_state: Annotated[
        str | None, Option("Lines of the labels file that count: those there when a run began.", python_only=True)
    ] = None
    multi_label: Annotated[
        bool, Option("Treat each class as a yes-or-no label: an image may show several or none.")
    ] = False
    keep_truncated: KeepTruncated = False
    proposals: Annotated[
        str | None,
        Option(
            "Train on the boxes in the images, annotated or found by this detector, a model file.", metavar="DETECTOR"
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest(SourceRequest):
    """Options that describe the data: everything needed to read it again, and to split it and learn from it."""

    parts: Annotated[
        Mapping[str, str],
        Option(
            "Use the data's own splits as others, for example validation=test,test=extra.",
            metavar="A=B,…",
            read=parse_parts,
        ),
    ] = field(default_factory=dict)
    allow_leaks: Annotated[bool, Option("Continue if copies or groups are on both sides of the data's own split.")] = (
        False
    )
    split_file: Annotated[
        str | None,
        Option("Use the split of a splits.csv file or of a run folder.", flags=("--split",), metavar="FILE"),
    ] = None
    framing: Annotated[
        Literal["stretch", "pad", "crop"] | None,
        Option("How images get one size: stretch, pad or crop (default: chosen from the images).", setting="framing"),
    ] = None
    background: Annotated[
        str | None,
        Option("Path to photographs that show none of the classes, for `vidi locate`.", metavar="DIR"),
    ] = None
    feedback: Annotated[
        tuple[str, ...],
        Option("Labelled images from use, added to those of the source.", python_only=True),
    ] = ()

    def __post_init__(self) -> None:
        source, kept = sources_of(self.source)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "feedback", (*kept, *(one for one in self.feedback if one not in kept)))
        if self.framing not in (None, "stretch", "pad", "crop"):
            raise UsageError(f"framing {self.framing!r} is unknown", "Use stretch, pad or crop.")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Restore the request that `as_dict` wrote.

        Raises:
            TypeError: a value is not what it should be.
        """
        plain: dict[str, Any] = {**values}
        require_kinds(cls, plain)
        if plain.get("classes") is not None:
            plain["classes"] = tuple(plain["classes"])
        plain["feedback"] = tuple(plain.get("feedback") or ())
        return cls(**plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Options of `vidi check`."""

    data: Annotated[DataRequest, Part(leave_out=(*OF_SPLITTING, *OF_TRAINING, "parts", "positive"))]
    page: Annotated[Path | None, Option("Write the findings to an HTML page with the images.", metavar="FILE")] = None
    images: Pictures = True
    suspects: Annotated[
        bool, Option("Find labels that are likely wrong, from held-out answers of a pretrained network.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRequest:
    """Options of `vidi split`; images in `data.split_file` stay in their split."""

    data: Annotated[
        DataRequest,
        Part(
            leave_out=(*OF_TRAINING, "keep_truncated"),
            says={"split_file": "Path to an earlier splits.csv; its images stay in their split."},
        ),
    ]
    output: Annotated[Path, Option("Path to the table to write.", flags=("--output", "-o"), metavar="FILE")] = Path(
        "splits.csv"
    )
    replan: Annotated[bool, Option("Split all images again, including those that have a split already.")] = False
    seed: Annotated[int, Option("Seed for the split.", metavar="N", least=0)] = 0
