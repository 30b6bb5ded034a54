"""All that changes while a network is trained, what never does, and what a checkpoint brings back to the last bit."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from vidi.errors import UsageError
from vidi.machine import Deadline
from vidi.networks.build import blank_network, build_network
from vidi.networks.compact import fit_whitening
from vidi.networks.from_onnx import start_from
from vidi.networks.layers import Classifier, ConvNorm
from vidi.training.data import TrainingData, class_weights
from vidi.training.engine.engine import ON_PROCESSOR, Engine, engine_of, precision_of
from vidi.training.engine.rates import TYPES
from vidi.training.loop.objective import InputNormalisation
from vidi.training.loop.progress import EpochRow
from vidi.training.loop.schedule import Plan
from vidi.training.recipe import Recipe

Weights = dict[str, Tensor]

# Of the rate of the convolutions, which is an angle; what is not turned learns by the gradient's own size.
BIAS_RATE = 10.0
HEAD_RATE = 1.0
TURNS = 3  # of the iteration; singular values between 0.2 and 1 end within 0.7 to 1.2, which is even enough
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the polynomial that lifts small singular values fastest
SAMPLE = 512  # training images that show what the first layers see


@dataclass(slots=True)
class Counters:
    """The numbers of a run; the first five begin again with each epoch."""

    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0  # images of this epoch
    prepare_seconds: float = 0.0
    arithmetic_seconds: float = 0.0
    step: int = 0  # batches done in the whole run
    skipped: int = 0  # steps left out because loss or gradient was not finite
    skipped_in_a_row: int = 0
    rollbacks: int = 0  # each halves the learning rate
    parts: int = 1  # a batch is pushed through in that many parts, when memory is short
    best_epoch: int = 0  # 0 = none yet
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    epochs_without_gain: int = 0

    def add_images(self, *, loss_sum: float, correct: int, seen: int) -> None:
        """What a step that succeeded adds to the epoch's sums."""
        self.skipped_in_a_row = 0
        self.loss_sum += loss_sum
        self.correct += correct
        self.seen += seen

    def begin_epoch(self) -> None:
        """Forget the sums of the epoch that has ended."""
        self.loss_sum, self.correct, self.seen = 0.0, 0, 0
        self.prepare_seconds, self.arithmetic_seconds = 0.0, 0.0


@dataclass(slots=True, kw_only=True)
class State:
    """A network in training."""

    network: Classifier
    optimizer: optim.Optimizer
    averaged: Classifier | None  # the running mean of the weights, where the recipe asks for one
    plan: Plan
    counters: Counters = field(default_factory=Counters)
    history: list[EpochRow] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what was out of the ordinary, in sentences
    stopped_by: str = ""  # "" while it runs; then plan, patience, deadline or user

    def judged(self) -> Classifier:
        """The network that is validated and shipped: the averaged one, where there is one."""
        return self.averaged or self.network

    def keep_best(self) -> None:
        """Copy the judged network's weights, into the same memory each time: new places would scatter the heap."""
        weights = self.judged().state_dict()
        if not self.best:
            self.best = {name: torch.empty_like(tensor) for name, tensor in weights.items()}
        for name, tensor in weights.items():
            self.best[name].copy_(tensor)


def new_state(
    recipe: Recipe, *, class_count: int, plan: Plan, engine: Engine = ON_PROCESSOR, blank: bool = False
) -> State:
    """A network and an optimizer that has not stepped yet.

    Args:
        blank: its weights stay 0, since all of them are loaded afterwards.
    """
    size, options = recipe.image_size, recipe.options
    if blank:
        network = blank_network(recipe.network, image_size=size, class_count=class_count, options=options)
    else:
        network = build_network(
            recipe.network, image_size=size, class_count=class_count, options=options, seed=recipe.seed
        )
    freeze_layers(network, recipe)
    layout = torch.channels_last if engine.channels_last else torch.contiguous_format
    network.to(engine.device).to(memory_format=layout)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).requires_grad_(False) if recipe.optimization.averaging else None
    return State(network=network, optimizer=new_optimizer(network, recipe), averaged=averaged, plan=plan)


def freeze_layers(network: Classifier, recipe: Recipe) -> None:
    """Take from learning what the recipe leaves as it is."""
    for layer in list(network.layers.children())[: recipe.freezing.frozen_layers]:
        layer.requires_grad_(False)
    for module in network.modules():
        if recipe.freezing.frozen_depthwise and isinstance(module, nn.Conv2d) and module.groups > 1:
            module.requires_grad_(False)


def new_optimizer(network: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """The recipe's optimizer; weight decay holds for weights of layers, not for biases.

    A group's `rate` is its share of the learning rate: less for layers further from the head, where the recipe says so.
    """
    how = recipe.optimization
    if how.optimizer == "muon":
        return _muon(network, recipe)
    groups: list[dict[str, Any]] = []
    for rate, parameters in _by_depth(network, how.layer_decay):
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        weights = [parameter for parameter in trained if parameter.ndim > 1]
        others = [parameter for parameter in trained if parameter.ndim <= 1]
        groups += [
            {"params": weights, "weight_decay": how.weight_decay, "rate": rate},
            {"params": others, "weight_decay": 0.0, "rate": rate},
        ]
    groups = [group for group in groups if group["params"]]
    if how.optimizer == "sgd":
        return optim.SGD(groups, lr=how.learning_rate, momentum=how.momentum, nesterov=how.momentum > 0)
    if how.optimizer == "adamw":
        return optim.AdamW(groups, lr=how.learning_rate)
    return optim.Adam(groups, lr=how.learning_rate)


def require_optimizer(network: nn.Module, recipe: Recipe) -> None:
    """Raise a UsageError where the recipe's optimizer cannot train this network; its shapes are enough."""
    if recipe.optimization.optimizer == "muon" and (recipe.freezing.frozen_batch_norm or not turning_weights(network)):
        raise UsageError(
            f"muon needs a network with batch norm, which {recipe.network} does not have",
            "Use --optimizer sgd, adam or adamw.",
        )


def _muon(network: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """Convolutions learn by turning, biases and head by momentum alone, at rates of their own."""
    require_optimizer(network, recipe)
    turning = turning_weights(network)
    known = {id(parameter) for parameter in turning}
    others = [parameter for parameter in network.parameters() if parameter.requires_grad and id(parameter) not in known]
    groups = [
        {"params": turning, "turns": True, "rate": 1.0},
        {"params": [parameter for parameter in others if parameter.ndim <= 1], "rate": BIAS_RATE},
        {"params": [parameter for parameter in others if parameter.ndim > 1], "rate": HEAD_RATE},
    ]
    how = recipe.optimization
    groups[2]["weight_decay"] = how.weight_decay
    return Muon(groups, lr=how.learning_rate, momentum=how.momentum, dtype=TYPES[precision_of(recipe)])


def _by_depth(network: nn.Module, decay: float) -> list[tuple[float, list[nn.Parameter]]]:
    """The parameters with their share of the learning rate: 1 at the head, `decay` times less a layer further down."""
    if decay == 1 or not isinstance(network, Classifier):
        return [(1.0, list(network.parameters()))]
    layers = [list(layer.parameters()) for layer in network.layers.children()]
    layers = [parameters for parameters in layers if parameters]
    depths = range(len(layers), 0, -1)
    return [
        *((decay**depth, parameters) for depth, parameters in zip(depths, layers, strict=True)),
        (1.0, list(network.head.parameters())),
    ]


def state_as_tensors(state: State) -> Weights:
    """Every tensor of the run under a name: network, averaged, best and optimizer."""
    parts: dict[str, Mapping[str, Tensor]] = {"network": state.network.state_dict(), "best": state.best}
    if state.averaged is not None:
        parts["averaged"] = state.averaged.state_dict()
    parts["optimizer"] = {f"{index}.{name}": tensor for index, name, tensor in _optimizer_tensors(state.optimizer)}
    return {
        f"{part}/{name}": tensor.cpu().contiguous() for part, named in parts.items() for name, tensor in named.items()
    }


def _optimizer_tensors(optimizer: optim.Optimizer) -> Iterator[tuple[int, str, Tensor]]:
    for index, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                yield index, name, value


def state_as_json(state: State) -> dict[str, object]:
    """The rest of the run, as plain values."""
    return {
        "plan": asdict(state.plan),
        "counters": asdict(state.counters),
        "history": [asdict(row) for row in state.history],
        "notes": state.notes,
        "stopped_by": state.stopped_by,
    }


def restore_state(state: State, tensors: Mapping[str, Tensor], *, values: Mapping[str, Any]) -> None:
    """Bring a new state to where a checkpoint was; the next step's bits are those of the unbroken run."""
    parts: dict[str, Weights] = {"network": {}, "best": {}, "averaged": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, inner = name.partition("/")
        parts[part][inner] = tensor
    state.network.load_state_dict(parts["network"])
    if state.averaged is not None:
        state.averaged.load_state_dict(parts["averaged"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = tensor
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    state.best = parts["best"]
    state.plan = Plan(**values["plan"])
    state.counters = Counters(**values["counters"])
    state.history = [EpochRow(**row) for row in values["history"]]
    state.notes, state.stopped_by = list(values["notes"]), values["stopped_by"]


@torch.no_grad()
def move_average(state: State, averaging: float) -> None:
    """Move the running mean towards the new weights; quickly at first, when there is little to keep."""
    if state.averaged is None:
        return
    keep = min(averaging, (1 + state.counters.step) / (10 + state.counters.step))
    new = state.network.state_dict()
    for name, mean in state.averaged.state_dict().items():
        if mean.is_floating_point():
            mean.lerp_(new[name], 1 - keep)
        else:
            mean.copy_(new[name])


def orthogonalised(matrix: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """A matrix with the same singular vectors whose singular values are near 1.

    Args:
        matrix: (rows, columns).

    Source: Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks.
    """
    first, third, fifth = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    values = (matrix.T if tall else matrix).to(dtype)
    values = values / (values.norm() + 1e-7)
    for _ in range(TURNS):
        square = values @ values.T
        values = first * values + (third * square + fifth * square @ square) @ values
    even: Tensor = (values.T if tall else values).to(matrix.dtype)
    return even


def turning_weights(network: nn.Module) -> list[Tensor]:
    """Weights of the convolutions that are normalised right afterwards: their direction counts, not their length.

    Those that look at one channel each are left out: they have no directions to make alike.
    """
    return [
        module.convolution.weight
        for module in network.modules()
        if isinstance(module, ConvNorm) and module.convolution.groups == 1 and module.convolution.weight.requires_grad
    ]


class Muon(optim.Optimizer):
    """Nesterov's momentum, whose steps are orthogonalised in the groups that have `turns` set.

    There the weights keep the length that they begin with, and a step is in proportion to it: the rate is an angle.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float, momentum: float, dtype: torch.dtype) -> None:
        """An optimizer that has not stepped yet.

        Args:
            groups: of parameters, each with `turns` and `weight_decay`.
            lr: learning rate of the groups that have none of their own.
            momentum: how much of the running sum of gradients a step keeps.
            dtype: of the products that orthogonalise.
        """
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "turns": False})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002  # nothing here tries twice
        """New weights from the gradients; parameters without one stay."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
            state["length"] = parameter.norm()
        sums = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        change = gradient.add(sums, alpha=group["momentum"])
        if group["turns"]:
            # Channels last, as they lie in memory where the processor wants it so; the order of columns means nothing.
            columns = change.permute(0, 2, 3, 1)
            even = orthogonalised(columns.reshape(len(columns), -1), dtype=self._dtype)
            change = even.view_as(columns).permute(0, 3, 1, 2) * (state["length"] / len(parameter) ** 0.5)
            parameter.mul_(state["length"] / parameter.norm())
        parameter.add_(change, alpha=-group["lr"])


def fill_in(network: Classifier, data: TrainingData, *, normalisation: InputNormalisation, engine: Engine) -> list[str]:
    """Complete a new network: by the weights that the data come with, else by what can be computed from the images.

    Returns:
        Names of the layers that stay new although weights were given: the head, where the classes are others.

    Raises:
        ModelError: the given weights are of another network.
    """
    if data.initial is not None:
        network.load_state_dict(dict(data.initial(data.train_rows)))
        return []
    some = data.train_rows[:: max(1, len(data.train_rows) // SAMPLE)][:SAMPLE]
    inputs = normalisation.inputs(data.images[some], engine=engine)
    if data.start is not None:
        return start_from(network, data.start, inputs=inputs)
    fit_whitening(network, inputs)
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingContext:
    """What the training loop is given from outside."""

    data: TrainingData
    recipe: Recipe
    normalisation: InputNormalisation
    engine: Engine
    class_weights: torch.Tensor | None  # (classes,) float32, on the engine's device
    deadline: Deadline | None
    should_stop: Callable[[], bool]  # asked after every step
    after_step: Callable[[State], bool]  # tells and saves; true when it went back to an earlier step
    image_weights: torch.Tensor | None = None  # (images,) float32, on the engine's device; their mean is 1 in training


def training_context(
    arrays: TrainingData,
    recipe: Recipe,
    *,
    normalisation: InputNormalisation,
    deadline: Deadline | None,
    should_stop: Callable[[], bool],
    after_step: Callable[[State], bool],
) -> TrainingContext:
    """What the loop is given for a recipe whose device and precision are settled; see `TrainingContext`."""
    kind = recipe.optimization.class_weights
    weights = class_weights(arrays.strata[arrays.train_rows], arrays.class_count, kind=kind)
    engine = engine_of(recipe)
    return TrainingContext(
        data=arrays,
        recipe=recipe,
        normalisation=normalisation,
        engine=engine,
        class_weights=torch.from_numpy(weights).to(engine.device) if kind != "none" else None,
        image_weights=_image_weights(arrays, engine),
        deadline=deadline,
        should_stop=should_stop,
        after_step=after_step,
    )


def _image_weights(arrays: TrainingData, engine: Engine) -> torch.Tensor | None:
    """(images,) what the loss of each is multiplied by: 1 on average, so that the steps stay as long as they were."""
    if arrays.weights is None:
        return None
    mean = arrays.weights_of(arrays.train_rows).mean()
    return torch.from_numpy((arrays.weights / mean).astype(np.float32)).to(engine.device)
