"""What `vidi train` is asked for, as run.json keeps it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from vidi.evaluation.guarantees.promise import Promise
from vidi.options import Option, Part
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.promised import WishOptions
from vidi.workflows.requests.shared import NETWORKS, Overwrite, PicturesAndCache, Workers
from vidi.workflows.requests.written import parse_image_size, parse_settings

if TYPE_CHECKING:
    from vidi.evaluation.guarantees.wish import Wish

# What the registries hold, said here too because they import torch; a test compares them.
PRETRAINED = ("auto", "none", "lite0", "lite2", "vgg16", "resnet50")
OPTIMIZERS = ("adam", "adamw", "sgd", "muon")
LOSSES = ("cross-entropy", "mean-squared-error")
DEVICES = ("auto", "cpu", "cuda", "mps")
DIFFERENCES = ("seeds", "folds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user wants to know of the images beyond what a run tells unasked."""

    find_label_errors: Annotated[bool, Option("Look for wrong labels among all images, if that takes longer.")] = False
    drop_suspects: Annotated[bool, Option("Learn without training images whose label is likely wrong.")] = False
    learning_curve: Annotated[bool, Option("Say what more images would bring, also for a network from scratch.")] = (
        False
    )

    @property
    def anything(self) -> bool:
        """Whether there is something to be found out that no run has unasked."""
        return self.find_label_errors or self.drop_suspects or self.learning_curve


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """Values of the recipe that the user sets; what is left out is chosen from the data."""

    freeze: Annotated[bool, Option("Learn only a head on the pretrained network.")] = False
    epochs: Annotated[int | None, Option("Passes over the training images.", least=1)] = None
    batch: Annotated[int | None, Option("Images for one step of the weights.", least=1)] = None
    image_size: Annotated[
        int | tuple[int, int] | None,
        Option(
            "Pixels the network sees: 128, or 128x64 (height first).",
            flags=("--imgsz",),
            metavar="SIZE",
            read=parse_image_size,
            python_help="Pixels the network sees, one number or (height, width).",
        ),
    ] = None
    learning_rate: Annotated[float | None, Option("Peak learning rate.", flags=("--lr",))] = None
    optimizer: Annotated[str | None, Option("adam, adamw, sgd or muon.", choices=OPTIMIZERS)] = None
    loss: Annotated[str | None, Option("cross-entropy or mean-squared-error.", choices=LOSSES)] = None
    patience: Annotated[int | None, Option("Epochs without gain until it stops early; 0: never.", least=0)] = None
    seed: Annotated[int | None, Option("Decides every random number of the training.", least=0)] = None
    device: Annotated[
        str | None, Option("cpu, cuda or mps; a GPU that torch can use is taken by itself.", choices=DEVICES)
    ] = None
    changes: Annotated[
        Mapping[str, object],
        Option(
            "Any other value of the recipe, e.g. augmentation.flip=none.",
            flags=("--set",),
            metavar="NAME=VALUE",
            several=True,
            read=parse_settings,
            python_help="Any other value of the recipe by its name: a field of `vidi.training.recipe.Recipe`, "
            '`options.NAME` or `augmentation.NAME`, such as `{"augmentation.flip": "none"}`.',
        ),
    ] = field(default_factory=dict)

    def made(self) -> dict[str, object]:
        """What was set, by the recipe's names."""
        named = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "changes"}
        if isinstance(self.image_size, int):
            named["image_size"] = (self.image_size, self.image_size)
        return {**{name: value for name, value in named.items() if value not in (None, False)}, **self.changes}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What the user asked `vidi train` for."""

    data: DataRequest
    output: Annotated[
        Path | None, Option("Where to write; runs/NAME when left out.", flags=("--output", "-o"), metavar="DIR")
    ] = None
    overwrite: Overwrite = False
    minutes: Annotated[float | None, Option("Time for everything, from reading to the report.", least=0.05)] = None
    ensemble: Annotated[int | None, Option("Train K times, and make one model of it.", metavar="K")] = None
    ensemble_by: Annotated[
        str | None, Option("What the K trainings differ in: seeds (default) or folds.", choices=DIFFERENCES)
    ] = None
    network: Annotated[
        str | None,
        Option(f"{', '.join(NETWORKS)} or timm/NAME; compact when left out.", choices=NETWORKS, metavar="NAME"),
    ] = None
    pretrained: Annotated[
        str | None,
        Option(
            f"Weights to begin from: {', '.join(PRETRAINED)}, timm/NAME or a file of weights.",
            metavar="NAME",
            choices=PRETRAINED,
            is_path=True,
        ),
    ] = None
    weights: Annotated[
        str | None,
        Option("Begin a new run from the weights of another.", flags=("--from",), metavar="RUN|MODEL", is_path=True),
    ] = None
    recipe: Annotated[
        str | None,
        Option(
            "Train by a recipe.toml; other options stand above it.",
            metavar="FILE",
            is_path=True,
            in_python="str | os.PathLike[str] | Mapping[str, object] | None",
            python_help="Train by a recipe.toml; other options stand above it. A mapping is taken as `changes`.",
        ),
    ] = None
    changes: Annotated[Mapping[str, object], Part(made_by=RecipeOptions)] = field(default_factory=dict)
    asked: Asked = field(default_factory=Asked)
    promise: Promise = field(default_factory=Promise)
    wish: Annotated["Wish | None", Part(made_by=WishOptions)] = None
    workers: Workers = None
    images: PicturesAndCache = True

    def as_dict(self) -> dict[str, Any]:
        """Plain values for run.json."""
        values = asdict(self)
        return {**values, "output": None, "changes": dict(self.changes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The request that `as_dict` wrote."""
        from vidi.evaluation.guarantees.wish import Wish

        plain: dict[str, Any] = {**values}
        plain["data"] = DataRequest.from_dict(plain["data"])
        plain["asked"] = Asked(**plain.get("asked", {}))
        plain["promise"] = Promise(**plain.get("promise", {}))
        plain["wish"] = Wish.from_dict(plain.get("wish"))
        # JSON knows no tuples, and the recipe no lists.
        changes = plain.get("changes", {}).items()
        plain["changes"] = {name: tuple(value) if isinstance(value, list) else value for name, value in changes}
        return cls(**plain)
