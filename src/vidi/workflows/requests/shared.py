"""Options that several requests have, and how such options are written on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vidi.errors import UsageError
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.options import Option, Part, switched_off

if TYPE_CHECKING:
    from vidi.evaluation.guarantees.operating import OperatingTarget


def parse_parts(text: str) -> dict[str, str]:
    """The pairs of `--parts`.

    Raises:
        UsageError: not `name=name`, or a name twice.

    >>> parse_parts("validation=test,test=extra")
    {'validation': 'test', 'test': 'extra'}
    """
    pairs: dict[str, str] = {}
    for pair in text.split(","):
        name, equals, use = (piece.strip() for piece in pair.partition("="))
        if not (name and equals and use) or name in pairs:
            raise UsageError(f"--parts {text!r} is not a list of pairs", "Write `--parts validation=test,test=extra`.")
        pairs[name] = use
    return pairs


def parse_share(text: str) -> tuple[float, float]:
    """(height, width) of `--fills`, shares of a training image.

    Raises:
        UsageError: not two shares.

    >>> parse_share("0.9x0.8")
    (0.9, 0.8)
    """
    try:
        height, width = (float(side) for side in text.lower().split("x"))
    except ValueError:
        height = width = 0.0
    if not (0 < height <= 1 and 0 < width <= 1):
        raise UsageError(f"--fills {text} is not two shares", "Write height and width, such as 0.9x0.8.")
    return height, width


def parse_image_size(text: str) -> tuple[int, int]:
    """What `--imgsz` says: `128` or `HEIGHTxWIDTH`.

    Raises:
        UsageError: it says something else.

    >>> parse_image_size("128x64")
    (128, 64)
    """
    pieces = text.lower().split("x")
    if len(pieces) > 2 or not all(piece.strip().isdigit() for piece in pieces):
        raise UsageError(f"--imgsz {text!r} is not a size", "Write one number, or HEIGHTxWIDTH such as 128x64.")
    height, width = int(pieces[0]), int(pieces[-1])
    if not (8 <= height <= 1024 and 8 <= width <= 1024):
        raise UsageError(f"--imgsz {text} is out of range", "Each side may have 8 to 1,024 pixels.")
    return height, width


def parse_settings(texts: Sequence[str]) -> dict[str, object]:
    """The pairs of `--set`, with numbers, true, false and lists read as such.

    >>> parse_settings(["epochs=5", "augmentation.flip=none", "options.filters=[8, 16]"])
    {'epochs': 5, 'augmentation.flip': 'none', 'options.filters': (8, 16)}
    """
    import json

    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(
                f"--set {text!r} is not a pair", "Write --set NAME=VALUE, such as --set label_smoothing=0.1."
            )
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        values[name] = tuple(parsed) if isinstance(parsed, list) else parsed
    return values


def parse_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated option.

    >>> parse_names("cat, dog")
    ('cat', 'dog')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_time(text: str) -> float:
    """A day or time as seconds since 1970; without a zone it is this computer's.

    Raises:
        UsageError: it is none.

    >>> parse_time("2026-03-01T12:00:00+00:00")
    1772366400.0
    """
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{text[:60]!r} is no day", "Write 2026-03-01, or 2026-03-01T18:30.") from error


Workers = Annotated[int | None, Option("Number of decoding workers (default: one per core).", metavar="N", least=1)]
Engine = Annotated[
    str,
    Option(
        "Engine that runs the model: onnxruntime or openvino.",
        choices=("onnxruntime", "openvino"),
        metavar="NAME",
    ),
]
USUAL_ENGINE = "onnxruntime"
Overwrite = Annotated[bool, Option("Replace earlier results at the output path.")]
OverwriteInPython = Annotated[bool, Option("Replace earlier results at the output path.", python_only=True)]
NO_IMAGES = "VIDI_NO_IMAGES"  # holds for every verb, with and without the flag
Pictures = Annotated[
    bool,
    Option(
        "Leave all pictures out of the written files.",
        flags=("--no-images",),
        python_help="False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.",
        off_by=NO_IMAGES,
    ),
]
PicturesUnlessOff = Annotated[
    bool,
    Option(
        "False leaves all pictures out of the written files, as VIDI_NO_IMAGES=1 does.",
        python_only=True,
        off_by=NO_IMAGES,
    ),
]
PicturesAndCache = Annotated[
    bool,
    Option(
        "Leave all pictures out of the written files, and keep no cache.",
        flags=("--no-images",),
        python_help="False leaves all pictures out of the written files, and keeps no cache.",
        off_by=NO_IMAGES,
    ),
]
# As how many old images an image of the feedback counts in training; chosen on years of development images, see
# docs/measured.md.
FEEDBACK_WEIGHT = 2.0
LabelsFile = Annotated[
    str | None,
    Option("Path to the labels that people gave, or none (default: DATA.labels.jsonl).", metavar="FILE|none"),
]
AllowOutside = Annotated[
    bool, Option("Read files outside the data folder: through links that lead out, or named by a table.")
]
KeepTruncated = Annotated[bool, Option("Use the readable part of truncated images.")]
Fills = Annotated[
    tuple[float, float],
    Option(
        "Share of a training image that the object fills, for example 0.9x0.8.",
        metavar="HxW",
        read=parse_share,
        written="1x1",
        python_help="Share (height, width) of a training image that the object fills; boxes shrink by it.",
    ),
]
Smallest = Annotated[float | None, Option("Shorter side of the smallest window, in pixels.", metavar="PIXELS", least=4)]
Ray = Annotated[
    str | None,
    Option("Work on a Ray cluster, by the address of its head; local: on this computer.", metavar="ADDRESS"),
]


def wants_pictures(*, unless: bool = False) -> bool:
    """Whether pictures are written: not where `VIDI_NO_IMAGES` is set, nor where this command leaves them out."""
    return not (unless or switched_off(NO_IMAGES))


def _read_costs(path: str) -> Mapping[str, Mapping[str, float]]:
    from vidi.evaluation.guarantees.operating import read_costs

    return read_costs(Path(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """Target of the decisions, for the data's `positive` class or for each class; at most one of these."""

    recall: Annotated[
        float | None,
        Option(
            "Minimum recall for the class, for example 0.99.",
            metavar="SHARE",
            python_help="Minimum recall at the operating point, for the data's `positive` class or for each class. "
            "Give at most one of this and the next three.",
        ),
    ] = None
    precision: Annotated[
        float | None, Option("Minimum precision for the class, for example 0.95.", metavar="SHARE")
    ] = None
    false_alarms_per: Annotated[
        float | None,
        Option("Maximum rate of false alarms: 1 in N images of other classes, for example 1000.", metavar="N"),
    ] = None
    costs: Annotated[
        Mapping[str, Mapping[str, float]] | None,
        Option(
            "Path to a table of costs: a row for each true class, a column for each answer.",
            metavar="CSV",
            read=_read_costs,
            python_help="Cost of each answer by true class; the decision is the answer of lowest expected cost.",
        ),
    ] = None

    def made(self) -> "OperatingTarget | None":
        """Return the target that was set; raises UsageError if there are two."""
        from vidi.evaluation.guarantees.operating import OperatingTarget

        return OperatingTarget.of(
            recall=self.recall, precision=self.precision, false_alarms_per=self.false_alarms_per, costs=self.costs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantees:
    """What the limits in a model file are to keep."""

    promise: GuaranteeTargets = field(default_factory=GuaranteeTargets)
    target: Annotated["OperatingTarget | None", Part(made_by=TargetOptions)] = None
