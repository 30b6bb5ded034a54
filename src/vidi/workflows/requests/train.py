"""The options of `vidi train` and `vidi tune`, as run.json and tune.json keep them."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Self

from vidi.errors import UsageError
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.networks.catalog import NETWORKS, PACKAGES, PAIRS, PRETRAINED
from vidi.options import Option, Part, require_kinds, switched_off
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.shared import (
    NO_IMAGES,
    Guarantees,
    Overwrite,
    PicturesAndCache,
    Workers,
    parse_image_size,
    parse_settings,
)

WEIGHTS = ("auto", "none", *PRETRAINED)
# What the registries hold, said here too because they import torch; a test compares them.
OPTIMIZERS = ("adam", "adamw", "sgd", "muon")
LOSSES = ("cross-entropy", "mean-squared-error")
DEVICES = ("auto", "cpu", "cuda", "mps")
TRACKERS = ("mlflow", "tensorboard")
OWN_THRESHOLDS = "Leave it out; --recall, target.precision and target.false_alarms_per set a threshold for each class."
MINUTES = 30.0  # where the user gives no time
NOT_TUNED = (
    "background",
    "proposals",
    "ensemble",
    "track",
    "pretrained",
    "freeze",
    "batch",
    "learning_rate",
    "optimizer",
    "loss",
    "patience",
    "device",
    "find_label_errors",
    "drop_suspects",
    "learning_curve",
    "max_error",
    "coverage",
    "recall",
    "precision",
    "false_alarms_per",
    "costs",
    "images",
    "keep_truncated",
    "overwrite",
    "parts",
    "seed",
    "workers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Studies of the data that a run makes only on request."""

    find_label_errors: Annotated[
        bool, Option("Check the labels of all images, even if it takes longer.", setting="studies.find_label_errors")
    ] = False
    drop_suspects: Annotated[
        bool, Option("Leave out training images whose label is likely wrong.", setting="studies.drop_suspects")
    ] = False
    learning_curve: Annotated[
        bool,
        Option(
            "Estimate the gain from more images, also for a network trained from scratch.",
            setting="studies.learning_curve",
        ),
    ] = False

    @property
    def requested(self) -> bool:
        """Whether any such study was requested."""
        return self.find_label_errors or self.drop_suspects or self.learning_curve


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """Recipe values that the user sets; vidi chooses the others from the data."""

    freeze: Annotated[bool, Option("Train only the last layer of the pretrained network.")] = False
    epochs: Annotated[
        int | None, Option("Maximum number of passes over the training images.", metavar="N", least=1)
    ] = None
    batch: Annotated[int | None, Option("Number of images per training step.", metavar="N", least=1)] = None
    image_size: Annotated[
        int | tuple[int, int] | None,
        Option(
            "Image size for the network in pixels, for example 128 or 128x64 (height first).",
            flags=("--imgsz",),
            metavar="SIZE",
            read=parse_image_size,
            python_help="Image size for the network in pixels: one number, or (height, width).",
        ),
    ] = None
    learning_rate: Annotated[
        float | None, Option("Peak learning rate, for example 0.001.", flags=("--lr",), metavar="RATE")
    ] = None
    optimizer: Annotated[
        str | None, Option("Name of the optimizer: adam, adamw, sgd or muon.", choices=OPTIMIZERS, metavar="NAME")
    ] = None
    loss: Annotated[
        str | None,
        Option("Name of the loss: cross-entropy or mean-squared-error.", choices=LOSSES, python_only=True),
    ] = None
    patience: Annotated[
        int | None,
        Option("Number of epochs without improvement before training stops; 0 means never.", metavar="N", least=0),
    ] = None
    seed: Annotated[int | None, Option("Seed for all random numbers of the training.", metavar="N", least=0)] = None
    device: Annotated[
        str | None,
        Option(
            "Where to train: cpu, cuda or mps (default: a GPU if torch can use one).", choices=DEVICES, metavar="NAME"
        ),
    ] = None
    changes: Annotated[
        Mapping[str, object],
        Option(
            "Set any other value, for example augmentation.flip=none or studies.drop_suspects=true.",
            flags=("--set",),
            metavar="NAME=VALUE",
            several=True,
            read=parse_settings,
            python_help="Any other value by its name: a value of recipe.toml, `options.NAME`, "
            '`augmentation.NAME`, or a setting of the run, for example `{"augmentation.flip": "none"}`.',
        ),
    ] = field(default_factory=dict)

    def made(self) -> dict[str, object]:
        """Return the values that were set, by the recipe's names."""
        named = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "changes"}
        if isinstance(self.image_size, int):
            named["image_size"] = (self.image_size, self.image_size)
        return {**{name: value for name, value in named.items() if value not in (None, False)}, **self.changes}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """Options of `vidi train`."""

    data: DataRequest
    output: Annotated[
        Path | None, Option("Path to the run folder (default runs/NAME).", flags=("--output", "-o"), metavar="DIR")
    ] = None
    overwrite: Overwrite = False
    minutes: Annotated[
        float | None, Option("Time limit in minutes, from reading to the report.", metavar="MINUTES", least=0.05)
    ] = None
    ensemble: Annotated[int | None, Option("Train K networks and combine them into one model.", metavar="K")] = None
    network: Annotated[
        str | None,
        Option(
            "Network: compact (default), textbook, dense, a name of pretrained weights or timm/NAME.",
            choices=NETWORKS,
            metavar="NAME",
        ),
    ] = None
    pretrained: Annotated[
        str | None,
        Option(
            f"Weights: auto, none, {', '.join((*PACKAGES, *PAIRS))}, a name of `vidi fetch`, timm/NAME or a file.",
            metavar="NAME",
            choices=WEIGHTS,
            is_path=True,
        ),
    ] = None
    weights: Annotated[
        str | None,
        Option(
            "Start from the weights of another run or model file.", flags=("--from",), metavar="RUN|MODEL", is_path=True
        ),
    ] = None
    recipe: Annotated[
        str | None,
        Option(
            "Train with a recipe.toml; other options override it.",
            metavar="FILE",
            is_path=True,
            in_python="str | os.PathLike[str] | Mapping[str, object] | None",
            python_help="Train with a recipe.toml; other options override it. A mapping works like `changes`.",
        ),
    ] = None
    changes: Annotated[Mapping[str, object], Part(made_by=RecipeOptions)] = field(default_factory=dict)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    guarantees: Annotated[
        Guarantees,
        Part(
            settings={
                **{name: f"verdict.{name}" for name in ("max_error", "coverage")},
                **{name: f"target.{name}" for name in ("precision", "false_alarms_per", "costs")},
            }
        ),
    ] = field(default_factory=Guarantees)
    workers: Workers = None
    images: PicturesAndCache = True
    track: Annotated[
        str | None,
        Option("Also write the run to a tracker: mlflow or tensorboard.", choices=TRACKERS, metavar="NAME"),
    ] = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for run.json."""
        values = asdict(self)
        return {**values, **values.pop("guarantees"), "output": None, "changes": dict(self.changes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Restore the request that `as_dict` wrote."""
        from vidi.evaluation.guarantees.operating import OperatingTarget

        plain: dict[str, Any] = {**values}
        require_kinds(cls, plain)
        require_kinds(Guarantees, plain)
        plain["data"] = DataRequest.from_dict(plain["data"])
        plain["diagnostics"] = Diagnostics(**plain["diagnostics"])
        plain["images"] = plain["images"] and not switched_off(NO_IMAGES)
        plain["guarantees"] = Guarantees(
            promise=GuaranteeTargets(**plain.pop("promise", {})),
            target=OperatingTarget.from_dict(plain.pop("target", None)),
        )
        # JSON knows no tuples, and the recipe no lists.
        changes = plain.get("changes", {}).items()
        plain["changes"] = {name: tuple(value) if isinstance(value, list) else value for name, value in changes}
        return cls(**plain)


def refuse_for_labels(request: TrainRequest) -> None:
    """Refuse, before any work, options that need images of one class each.

    Raises:
        UsageError: names the option.
    """
    target = request.guarantees.target
    changed = {name: request.changes.get(name) for name in ("class_weights", "loss", "views")}
    given = {
        "--background": (
            request.data.background is not None,
            "List those photographs in the table, with 0 for every class. They are trained on like any others.",
        ),
        "studies.learning_curve": (
            request.diagnostics.learning_curve,
            "Leave it out. Compare a model of half the images with one of all, using `vidi compare`.",
        ),
        "target.costs": (target is not None and target.costs is not None, OWN_THRESHOLDS),
        "class_weights": (changed["class_weights"] not in (None, "none"), OWN_THRESHOLDS),
        "loss": (
            changed["loss"] not in (None, "cross-entropy"),
            "Leave it out: each class is trained with its own cross-entropy.",
        ),
        "views": (changed["views"] not in (None, "auto", "one"), "Leave it out."),
    }
    for flag, (is_given, remedy) in given.items():
        if is_given:
            raise UsageError(f"{flag} needs images of one class each, so it excludes --multi-label", remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """Options of `vidi tune`: those of a training, and those of the search."""

    training: Annotated[
        TrainRequest,
        Part(
            leave_out=NOT_TUNED,
            says={
                "minutes": f"Time limit for the whole search in minutes (default {MINUTES:g}).",
                "epochs": "Maximum number of passes over the training images in each trial.",
                "image_size": "Use this image size in all trials, for example 128 or 128x64 (height first).",
                "weights": "Start every training from the weights of this run or model file.",
                "recipe": "Search around a recipe.toml instead of the default recipe.",
                "changes": "Fix a recipe value in all trials, for example augmentation.flip=none.",
            },
        ),
    ]
    trials: Annotated[int | None, Option("Maximum number of trials.", metavar="N", least=1)] = None
    trial_minutes: Annotated[
        float | None,
        Option("Time limit for each training in minutes (default: 1/20 of --minutes).", metavar="MINUTES", least=0.03),
    ] = None
    storage: Annotated[str | None, Option("URL of an Optuna database that several machines share.", metavar="URL")] = (
        None
    )
    study: Annotated[str | None, Option("Name of the study in --storage.", metavar="NAME")] = None

    def __post_init__(self) -> None:
        if (self.storage is None) != (self.study is None):
            raise UsageError(
                "a shared study needs both a storage and a name", "Add both --storage URL and --study NAME."
            )

    def minutes(self) -> float:
        """Return the time limit for the whole search."""
        return MINUTES if self.training.minutes is None else self.training.minutes

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for tune.json, without the password."""
        return {
            "training": self.training.as_dict(),
            "trials": self.trials,
            "trial_minutes": self.trial_minutes,
            "storage": None if self.storage is None else without_password(self.storage),
            "study": self.study,
        }


def without_password(url: str) -> str:
    """Replace the password in a database URL with stars.

    >>> without_password("postgresql://anna:secret@host/tune")
    'postgresql://anna:***@host/tune'
    """
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def request_from(values: Mapping[str, Any], storage: str | None) -> TuneRequest:
    """Restore the request that `TuneRequest.as_dict` wrote.

    Args:
        storage: the URL of the shared study again, where it has a password.

    Raises:
        UsageError: the password is needed.
    """
    saved = values["storage"]
    if saved is not None and storage is None and ":***@" in saved:
        raise UsageError("the study's password is not stored", f"Add the URL again: --storage {saved}")
    plain = {**values, "training": TrainRequest.from_dict(values["training"]), "storage": storage or saved}
    return TuneRequest(**plain)
