"""Everything that decides how a network is trained, in one value that can be written down and read back."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args, get_origin

from vidi.errors import UsageError
from vidi.networks.options import NetworkOptions
from vidi.training.augment import Augmentation

Schedule = Literal["one-cycle", "cosine", "linear", "constant"]
MEASURED = "measured:"  # how the source of a value begins that was found out when the run began

RANGES: Mapping[str, tuple[float, float]] = {
    "epochs": (1, 100_000),
    "batch": (1, 65_536),
    "learning_rate": (1e-8, 100),
    "layer_decay": (0.1, 1),
    "frozen_layers": (0, 1_000),
    "momentum": (0, 0.999),
    "weight_decay": (0, 1),
    "warm_up": (0, 0.9),
    "label_smoothing": (0, 0.9),
    "averaging": (0, 0.99999),
    "head_strength": (0, 1e9),
    "patience": (0, 100_000),
    "seed": (0, 2**63 - 1),
    "checkpoint_seconds": (0, 86_400),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimization:
    """How the weights are learned: steps, optimizer, learning rate and loss."""

    epochs: int = 30  # maximum number of epochs; a time limit may plan fewer
    batch: int = 64  # number of images per training step
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adamw"  # name of the optimizer
    learning_rate: float = 1e-3  # peak learning rate, reached after the warm-up
    layer_decay: float = (
        1.0  # factor on the learning rate from each layer to the one before it; 1 is the same rate for all
    )
    momentum: float = 0.9  # Nesterov momentum of sgd and muon
    weight_decay: float = 0.0  # decay of the layers' weights; biases have none
    schedule: Schedule = "cosine"  # course of the learning rate
    warm_up: float = 0.1  # share of the steps in which the learning rate rises
    loss: Literal["cross-entropy", "mean-squared-error"] = "cross-entropy"  # name of the loss
    label_smoothing: float = 0.0  # share of the target that goes to all classes equally
    class_weights: Literal["none", "tempered", "balanced"] = "none"  # weight of rare classes in the loss
    averaging: float = 0.0  # share of the running mean of the weights that each step keeps; 0 for no running mean
    patience: int = 0  # number of epochs without improvement before training stops; 0 means never

    def __post_init__(self) -> None:
        _require_allowed(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezing:
    """Which parts of a pretrained network stay as they are while the others are trained."""

    frozen_layers: int = 0  # number of first layers that are not trained
    frozen_depthwise: bool = False  # do not train depthwise convolutions, which take the longest
    frozen_batch_norm: bool = False  # keep the batch-norm statistics of the pretrained network

    def __post_init__(self) -> None:
        _require_allowed(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What carries the training out on this computer."""

    features: str = ""  # what computes the features of the frozen network; empty for a network that is trained
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: the faster one by measurement
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"  # auto: a GPU if torch can use one, else the processor
    checkpoint_seconds: float = 30.0  # minimum time between two checkpoints

    def __post_init__(self) -> None:
        _require_allowed(self)


# Groups whose values are written without the group's name, and groups whose values are written as `GROUP.NAME`.
FLAT: Mapping[str, type] = {"optimization": Optimization, "freezing": Freezing, "execution": Execution}
DOTTED = ("options", "augmentation")
GROUP_OF = {item.name: group for group, kind in FLAT.items() for item in fields(kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All values that decide how a network is trained."""

    network: str = "compact"  # name of the network
    options: NetworkOptions = field(default_factory=NetworkOptions)
    pretrained: str = ""  # pretrained weights; empty trains from scratch
    freeze: bool = False  # train only the last layer
    head: Literal["trained", "multinomial", "ridge", "gaussian", "one-vs-rest"] = (
        "trained"  # `trained` with the network, or a kind that is fitted to its features
    )
    head_strength: float = 0.0  # strength of the penalty of a fitted head
    image_size: tuple[int, int] = (128, 128)  # (height, width), pixels
    optimization: Optimization = field(default_factory=Optimization)
    freezing: Freezing = field(default_factory=Freezing)
    normalisation: Literal["standardise", "rescale", "symmetric", "imagenet"] = "standardise"  # scaling of the pixels
    augmentation: Augmentation = field(default_factory=Augmentation)
    views: Literal["auto", "one", "both"] = (
        "auto"  # predict from the image alone, or from its mean with the mirror image
    )
    seed: int = 0  # seed for all random numbers
    execution: Execution = field(default_factory=Execution)
    sources: Mapping[str, str] = field(default_factory=dict)  # name of a value → where it came from

    def __post_init__(self) -> None:
        _require_allowed(self)

    def changed(self, changes: Mapping[str, object], *, source: str) -> Self:
        """A copy with some values replaced, and `source` noted as where they came from.

        A key is the name of a value in recipe.toml, or `options.NAME` or `augmentation.NAME`.

        Raises:
            UsageError: no such value, or one that it cannot have.
        """
        return replace(self._with(changes), sources={**self.sources, **dict.fromkeys(changes, source)})

    def _with(self, values: Mapping[str, Any]) -> Self:
        """A copy with some values replaced; a list, as JSON and TOML have it, stands for a tuple."""
        placed: dict[str, Any] = {}
        grouped: dict[str, dict[str, Any]] = {}
        for name, given in values.items():
            group, _, inner = name.partition(".")
            value = tuple(given) if isinstance(given, list) else given
            if name in GROUP_OF:
                grouped.setdefault(GROUP_OF[name], {})[name] = value
            elif inner and group in DOTTED:
                grouped.setdefault(group, {})[inner] = value
            else:
                placed[name] = value
        known = [*GROUP_OF, *(item.name for item in fields(self) if item.name not in FLAT)]
        _refuse_unknown(placed, known, prefix="")
        for group, inner_values in grouped.items():
            before = getattr(self, group)
            _refuse_unknown(inner_values, [item.name for item in fields(before)], prefix=f"{group}.")
            placed[group] = replace(before, **inner_values)
        return replace(self, **placed)

    def measured(self) -> tuple[str, ...]:
        """The values that were found out when the run began, by name."""
        return tuple(name for name, source in self.sources.items() if source.startswith(MEASURED))

    def value(self, name: str) -> object:
        """One value by the name that `changed` takes."""
        group, _, inner = name.partition(".")
        values = self.as_dict()
        return values[group][inner] if inner else values[group]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON or TOML; what is None is left out."""
        values: dict[str, Any] = {}
        for name, value in _without_none(asdict(self)).items():
            values |= value if name in FLAT else {name: value}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The recipe that `as_dict` wrote.

        Raises:
            UsageError: an unknown value or one that it cannot have.
        """
        dotted = {f"{group}.{name}": value for group in DOTTED for name, value in values.get(group, {}).items()}
        return cls()._with({name: value for name, value in values.items() if name not in DOTTED} | dotted)

    def as_toml(self) -> str:
        """The text of recipe.toml."""
        import tomli_w

        return tomli_w.dumps(self.as_dict())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """The recipe of a recipe.toml.

        Raises:
            UsageError: not TOML, or not a recipe.
        """
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"the recipe is not valid TOML: {error}", "Correct that line, or start a new run."
            ) from error
        return cls.from_dict(values)


def _require_allowed(group: "Recipe | Optimization | Freezing | Execution") -> None:
    for item in fields(group):
        name, value = item.name, getattr(group, item.name)
        if get_origin(item.type) is Literal and value not in get_args(item.type):
            raise UsageError(f"{name} is {value!r}", f"Use one of: {', '.join(get_args(item.type))}.")
        if name in RANGES:
            least, most = RANGES[name]
            if not isinstance(value, int | float) or not least <= value <= most:
                raise UsageError(f"{name} is {value}", f"Use {least:g} to {most:g}.")


def _refuse_unknown(values: Mapping[str, object], known: Sequence[str], *, prefix: str) -> None:
    for name in values:
        if name not in known:
            raise UsageError(f"a recipe has no {prefix}{name}", f"Its values: {', '.join(known)}.")


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            plain[name] = _without_none(value)
        elif value is not None:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain
