"""The recipe of a run: by the rules for its data, or as the user gives it in a file, `--recipe FILE`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vidi.errors import UsageError, VidiError
from vidi.files import escape_path
from vidi.networks.build import design_network
from vidi.networks.options import NetworkOptions
from vidi.training.defaults import as_asked, recipe_for
from vidi.training.engine.engine import choose_device
from vidi.training.loop.state import require_optimizer
from vidi.training.recipe import RANGES, Recipe
from vidi.training.traits import DataTraits
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.run_folder import RECIPE
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.learning.candidates import Candidate, backbone_recipe
from vidi.workflows.run.start import read_start

LARGEST_BYTES = 1_000_000
NAME_ONE = "Name a recipe.toml, or a run folder that holds one."
OPTION_KINDS: Mapping[str, type] = {"filters": list, "pooling": str, "dense_width": int, "width": float}
WORDS = {int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a table"}


def choose_recipe(
    request: TrainRequest, traits: DataTraits, candidates: Sequence[Candidate] = (), *, events: Events = SILENCE
) -> Recipe:
    """Choose the recipe for this data and the weights to start from; the user's values override every rule."""
    if candidates:
        return backbone_recipe(candidates[0], traits, changes=request.changes, events=events)
    if request.recipe is not None:
        return _recipe_from_file(request, Path(request.recipe), class_count=traits.class_count)
    if request.weights is None:
        return recipe_for(traits, network=request.network or "compact", changes=request.changes)
    start = read_start(Path(request.weights))
    return recipe_for(traits, network=request.network or start.network, changes={**start.changes, **request.changes})


def _recipe_from_file(request: TrainRequest, path: Path, *, class_count: int) -> Recipe:
    """The user's file in place of the rules; what the user set stands above it too."""
    recipe = read_recipe_file(path)
    if recipe.pretrained:
        freeze = " --freeze" if recipe.freeze else ""
        raise UsageError(
            f"{escape_path(path)} is from a run that started with the weights {recipe.pretrained}",
            f"Name them: --pretrained {recipe.pretrained} "
            f"--imgsz {recipe.image_size[0]}x{recipe.image_size[1]}{freeze}",
        )
    if request.network not in (None, recipe.network):
        raise UsageError(
            f"--network {request.network} contradicts {path}, which is for {recipe.network}", "Use only one of them."
        )
    if request.weights is not None:
        start = read_start(Path(request.weights))
        recipe = shaped_by(recipe, start.changes, network=start.network)
    recipe = as_asked(recipe, request.changes)
    require_fitting(recipe, path, class_count=class_count)
    return recipe


def require_trainable(recipe: Recipe, *, class_count: int) -> None:
    """Refuse a network that cannot be built or trained here.

    Raises:
        UsageError, ModelError: as their names say.
    """
    network = design_network(
        recipe.network, image_size=recipe.image_size, class_count=class_count, options=recipe.options
    )
    require_optimizer(network, recipe)
    choose_device(recipe.execution.device)


def read_recipe_file(path: Path) -> Recipe:
    """Read the recipe of a file or a run folder; its sources name the file.

    What an earlier run had measured of its processor is left to be measured here.

    Raises:
        UsageError: there is no such file, or it is no recipe; what is wrong is named.
    """
    place = path / RECIPE if path.is_dir() else path
    shown = escape_path(place)
    try:
        if place.stat().st_size > LARGEST_BYTES:
            raise UsageError("too large for a recipe", NAME_ONE)
        text = place.read_text("utf-8")
        _refuse_wrong_kinds(text)
        return _with_sources(Recipe.from_toml(text), place)
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror or error}", NAME_ONE) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8 text", NAME_ONE) from error
    except UsageError as error:
        raise UsageError(f"{shown}: {error.cause}", error.remedy) from error


def require_fitting(recipe: Recipe, path: Path, *, class_count: int) -> None:
    """Make sure that the recipe's network can be built.

    Raises:
        UsageError: it cannot, or there is no such network.
    """
    try:
        design_network(recipe.network, image_size=recipe.image_size, class_count=class_count, options=recipe.options)
    except VidiError as error:
        raise UsageError(f"{escape_path(path)} does not fit: {error.cause}", error.remedy) from error


def shaped_by(recipe: Recipe, changes: Mapping[str, object], *, network: str) -> Recipe:
    """Return the recipe with the network shape of the given weights.

    Raises:
        UsageError: the weights are of another network.
    """
    if recipe.network != network:
        raise UsageError(
            f"the recipe is for the network {recipe.network}, but the weights of --from are for {network}",
            "Use only one of them.",
        )
    return replace(recipe, options=NetworkOptions()).changed(changes, source="the weights of --from")


def _with_sources(recipe: Recipe, place: Path) -> Recipe:
    """Where each value came from, the file included; a processor's precision is forgotten."""
    name = escape_path(place)
    sources = {key: f"{name}: {recipe.sources.get(key, 'as given there')}" for key in _names(recipe)}
    recipe = replace(recipe, sources=sources)
    return (
        recipe.changed({"precision": "auto"}, source="measured anew when the run begins")
        if (recipe.execution.precision != "auto" and "measured" in sources["precision"])
        else recipe
    )


def _names(recipe: Recipe) -> list[str]:
    fields = [name for name in recipe.as_dict() if name != "sources"]
    return [*fields, *(name for name in recipe.sources if name not in fields)]


def _refuse_wrong_kinds(text: str) -> None:
    """Name the first value that is, say, a text where a number belongs; what is no TOML is left to the recipe."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for name, kind in _kinds().items():
        group, _, inner = name.partition(".")
        held = given.get(group)
        value = held.get(inner) if inner and isinstance(held, dict) else None if inner else held
        if value is not None and not _is_of_kind(value, kind):
            least, most = RANGES.get(name, (None, None))
            allowed = WORDS[kind] if least is None else f"{WORDS[kind]} from {least:g} to {most:g}"
            raise UsageError(f"{name} is {value!r}", f"Use {allowed}.")
    size = given.get("image_size", [8, 8])
    if len(size) != 2 or not all(_is_of_kind(side, int) for side in size):
        raise UsageError(f"image_size is {size}", "Use [height, width] in pixels.")


def _kinds() -> dict[str, type]:
    """Name of each value → what it is in TOML."""
    usual = Recipe().as_dict()
    kinds: dict[str, type] = {name: type(value) for name, value in usual.items()}
    kinds |= {f"augmentation.{name}": type(value) for name, value in usual["augmentation"].items()}
    return kinds | {f"options.{name}": kind for name, kind in OPTION_KINDS.items()}


def _is_of_kind(value: object, kind: type) -> bool:
    return type(value) is kind or (kind is float and type(value) is int)
