"""Options that several verbs share, declared once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from vidi.evaluation.guarantees.wish import Wish
    from vidi.workflows.interaction.request import DataRequest
    from vidi.workflows.studies.label_errors import Asked

Data = Annotated[
    str,
    typer.Argument(metavar="DATA", help="A folder, archive, table or annotation file, or a known set such as digits."),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, or the run folder that holds it.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or that of an evaluation or comparison.")]
Classes = Annotated[str | None, typer.Option("--classes", metavar="A,B", help="Keep only these classes.")]
Positive = Annotated[
    str | None, typer.Option("--positive", metavar="NAME", help="Make two classes: NAME, and not NAME.")
]
Names = Annotated[
    str | None, typer.Option("--names", metavar="0=A,1=B", help="Names for classes that the data only numbers.")
]
Parts = Annotated[
    str | None,
    typer.Option("--parts", metavar="A=B,…", help="Use the data's parts as others, say validation=test,test=extra."),
]
Framing = Annotated[
    Literal["stretch", "pad", "crop"] | None,
    typer.Option("--framing", help="stretch, pad or crop; chosen from the images."),
]
SplitFile = Annotated[
    str | None, typer.Option("--split", metavar="FILE", help="Follow a splits.csv (or that of a run folder).")
]
AllowLeaks = Annotated[
    bool, typer.Option("--allow-leaks", help="Go on where copies or groups lie on both sides of the data's own split.")
]
FollowLinks = Annotated[bool, typer.Option("--follow-links", help="Follow links that leave the data folder.")]
AllowOutside = Annotated[
    bool, typer.Option("--allow-outside", help="Read files outside the data folder that a table names.")
]
MergeNames = Annotated[
    bool, typer.Option("--merge-names", help="Read class names that differ only in case or accents' form as one.")
]
MultiLabel = Annotated[
    bool, typer.Option("--multi-label", help="An image may show several classes, or none: each is told by itself.")
]
KeepTruncated = Annotated[bool, typer.Option("--keep-truncated", help="Use what is there of images that are cut off.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where known sets lie (else VIDI_DATA).")
]
SplitSeed = Annotated[int, typer.Option("--split-seed", help="Decides which images go to which part.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Decoding workers; one for each core.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
NoImages = Annotated[
    bool, typer.Option("--no-images", help="No picture in anything that is written, and no cache left behind.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where to write; runs/NAME when left out.")
]
MaxError = Annotated[
    float | None,
    typer.Option("--max-error", metavar="SHARE", help="At most so many of the sure answers are wrong (0.05)."),
]
Coverage = Annotated[
    float | None,
    typer.Option("--coverage", metavar="SHARE", help="At least so often the truth is among the candidates (0.95)."),
]
Recall = Annotated[
    float | None, typer.Option("--recall", metavar="SHARE", help="Find at least so much of the class: 0.99.")
]
Precision = Annotated[
    float | None,
    typer.Option("--precision", metavar="SHARE", help="At least so much of what is called the class is it: 0.95."),
]
FalseAlarmsPer = Annotated[
    float | None,
    typer.Option("--false-alarms-per", metavar="N", help="Call at most 1 of N other images the class: 1000."),
]
Costs = Annotated[
    Path | None,
    typer.Option("--costs", metavar="CSV", help="Decide by a table of costs: a row for each truth, a column each."),
]
NoPictures = Annotated[bool, typer.Option("--no-images", help="No picture in anything that is written.")]
Fills = Annotated[
    str, typer.Option("--fills", metavar="HxW", help="How much of a training image its thing fills, say 0.9x0.8.")
]
Smallest = Annotated[
    float | None, typer.Option("--smallest", min=4, metavar="PIXELS", help="Shorter side of the smallest window.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier run wrote there.")]


def listed(text: str | None) -> tuple[str, ...] | None:
    """The names in a comma-separated option.

    >>> listed("cat, dog")
    ('cat', 'dog')
    """
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def refuse_beside_resume(context: typer.Context, allowed: Sequence[str]) -> None:
    """Refuse options that `--resume` takes from the run.

    Raises:
        UsageError: one that is not among the allowed was given.
    """
    from vidi.errors import UsageError

    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in allowed and source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--resume takes data and recipe from the run, and {name!r} was given too",
                "Leave it out to go on as before, or begin anew; `vidi train --from RUN` begins from its weights.",
            )


def data_request(given: Mapping[str, Any]) -> "DataRequest":
    """What a verb's options say about the data; `given` is the verb's `context.params`.

    Options that a verb does not have keep their usual value.
    """
    from vidi.data.splitting.split_plan import parse_parts
    from vidi.workflows.interaction.request import DataRequest

    named = {
        "positive",
        "names",
        "follow_links",
        "allow_outside",
        "merge_names",
        "multi_label",
        "keep_truncated",
        "allow_leaks",
        "split_seed",
        "split_file",
        "framing",
    }
    return DataRequest(
        source=given["data"],
        classes=listed(given.get("classes")),
        parts={} if given.get("parts") is None else parse_parts(given["parts"]),
        data_dir=None if given.get("data_dir") is None else str(given["data_dir"]),
        background=None if given.get("background") is None else str(given["background"]),
        **{name: value for name, value in given.items() if name in named},
    )


def wish(given: Mapping[str, Any]) -> "Wish | None":
    """What a verb's options want of the decisions; `given` is the verb's `context.params`."""
    from vidi.evaluation.guarantees.wish import Wish, read_costs

    return Wish.of(
        recall=given["recall"],
        precision=given["precision"],
        false_alarms_per=given["false_alarms_per"],
        costs=None if given["costs"] is None else read_costs(Path(given["costs"])),
    )


def asked(given: Mapping[str, Any]) -> "Asked":
    """What a verb's options want to know of the images; `given` is the verb's `context.params`."""
    from vidi.workflows.studies.label_errors import Asked

    wanted = ("find_label_errors", "drop_suspects", "learning_curve")
    return Asked(**{name: given[name] for name in wanted})
