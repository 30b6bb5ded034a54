"""Everything that decides how a network is trained, in one value that can be written down and read back."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

from vidi.errors import UsageError
from vidi.networks.options import NetworkOptions
from vidi.training.augment import Augmentation

Schedule = Literal["one-cycle", "cosine", "linear", "constant"]
MEASURED = "measured:"  # how the source of a value begins that was found out when the run began

CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("adam", "adamw", "sgd", "muon"),
    "schedule": ("one-cycle", "cosine", "linear", "constant"),
    "loss": ("cross-entropy", "mean-squared-error"),
    "class_weights": ("none", "tempered", "balanced"),
    "normalisation": ("standardise", "rescale", "symmetric", "imagenet"),
    "head": ("trained", "multinomial", "ridge", "gaussian", "one-vs-rest"),
    "views": ("auto", "one", "both"),
    "precision": ("auto", "float32", "bfloat16"),
    "device": ("auto", "cpu", "cuda", "mps"),
}


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
    features: str = ""  # what computes the features of the frozen network; empty for a network that is trained
    image_size: tuple[int, int] = (128, 128)  # (height, width), pixels
    epochs: int = 30  # maximum number of epochs; a time limit may plan fewer
    batch: int = 64  # number of images per training step
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adamw"  # name of the optimizer
    learning_rate: float = 1e-3  # peak learning rate, reached after the warm-up
    layer_decay: float = (
        1.0  # factor on the learning rate from each layer to the one before it; 1 is the same rate for all
    )
    frozen_layers: int = 0  # number of first layers that are not trained
    frozen_depthwise: bool = False  # do not train depthwise convolutions, which take the longest
    frozen_batch_norm: bool = False  # keep the batch-norm statistics of the pretrained network
    momentum: float = 0.9  # Nesterov momentum of sgd and muon
    weight_decay: float = 0.0  # decay of the layers' weights; biases have none
    schedule: Schedule = "cosine"  # course of the learning rate
    warm_up: float = 0.1  # share of the steps in which the learning rate rises
    loss: Literal["cross-entropy", "mean-squared-error"] = "cross-entropy"  # name of the loss
    label_smoothing: float = 0.0  # share of the target that goes to all classes equally
    class_weights: Literal["none", "tempered", "balanced"] = "none"  # weight of rare classes in the loss
    averaging: float = 0.0  # share of the running mean of the weights that each step keeps; 0 for no running mean
    patience: int = 0  # number of epochs without improvement before training stops; 0 means never
    normalisation: Literal["standardise", "rescale", "symmetric", "imagenet"] = "standardise"  # scaling of the pixels
    augmentation: Augmentation = field(default_factory=Augmentation)
    views: Literal["auto", "one", "both"] = (
        "auto"  # predict from the image alone, or from its mean with the mirror image
    )
    seed: int = 0  # seed for all random numbers
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: the faster one by measurement
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"  # auto: a GPU if torch can use one, else the processor
    checkpoint_seconds: float = 30.0  # minimum time between two checkpoints
    sources: Mapping[str, str] = field(default_factory=dict)  # field name → where its value came from

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = object.__getattribute__(self, name)
            if value not in allowed:
                raise UsageError(f"{name} is {value!r}", f"Use one of: {', '.join(allowed)}.")
        for name, (least, most) in RANGES.items():
            value = object.__getattribute__(self, name)
            if not isinstance(value, int | float) or not least <= value <= most:
                raise UsageError(f"{name} is {value}", f"Use {least:g} to {most:g}.")

    def changed(self, changes: Mapping[str, object], *, source: str) -> Self:
        """A copy with some values replaced, and `source` noted as where they came from.

        A key is a field's name, or `options.NAME` or `augmentation.NAME`.

        Raises:
            UsageError: no such field, or a value that it cannot have.
        """
        values: dict[str, Any] = {}
        nested: dict[str, dict[str, object]] = {"options": {}, "augmentation": {}}
        for name, value in changes.items():
            group, _, inner = name.partition(".")
            if inner and group in nested:
                nested[group][inner] = value
            else:
                values[name] = value
        for group, inner_values in nested.items():
            if inner_values:
                before = values.get(group, object.__getattribute__(self, group))
                _refuse_unknown(inner_values, before, prefix=f"{group}.")
                values[group] = replace(before, **inner_values)
        _refuse_unknown(values, self, prefix="")
        sources = {**self.sources, **dict.fromkeys(changes, source)}
        return replace(self, **values, sources=sources)

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
        return _without_none(asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The recipe that `as_dict` wrote.

        Raises:
            UsageError: an unknown field or a value that it cannot have.
        """
        plain: dict[str, Any] = dict(values)
        _refuse_unknown(plain, cls(), prefix="")
        options, augmentation = dict(plain.pop("options", {})), dict(plain.pop("augmentation", {}))
        _refuse_unknown(options, NetworkOptions(), prefix="options.")
        _refuse_unknown(augmentation, Augmentation(), prefix="augmentation.")
        if "filters" in options:
            options["filters"] = tuple(options["filters"])
        if "image_size" in plain:
            plain["image_size"] = tuple(plain["image_size"])
        return cls(**plain, options=NetworkOptions(**options), augmentation=Augmentation(**augmentation))

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


def _refuse_unknown(values: Mapping[str, object], example: Recipe | NetworkOptions | Augmentation, prefix: str) -> None:
    known = [item.name for item in fields(example)]
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
