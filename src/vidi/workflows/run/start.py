"""A new run from the weights of another: `--from RUN|MODEL`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vidi.data.splitting.split_plan import read_assignments
from vidi.errors import ModelError
from vidi.files import escape_path
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.read import read_model
from vidi.networks.from_onnx import weights_of
from vidi.networks.options import NetworkOptions
from vidi.workflows.interaction.run_folder import SPLITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start of a run."""

    members: tuple[Mapping[str, NDArray[np.float32]], ...]  # weights of each network in the file, the best first
    network: str
    changes: Mapping[str, object]  # of the recipe, so that the weights fit
    data_digest: str  # of the images that they were trained and tested on
    learned_from: tuple[DigestFilter, ...] | None = None  # the files behind them; None: not stated
    trained_on: frozenset[str] = frozenset()  # digests of the train part, by the splits.csv beside the model file
    note: str = ""  # what the user should know of them

    @property
    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """Those of the one network, or of the best of several."""
        return self.members[0]


def read_start(path: Path, *, trainings: int = 1) -> Start:
    """Read the weights of a run or model file, and their network.

    Args:
        trainings: that start from them; several start from one network each, where the file holds several.

    Raises:
        ModelError: it is no model file of vidi, or does not say how it was made.
    """
    model = read_model(path)
    if model.bits < 32:
        raise ModelError(
            f"{escape_path(path)} holds weights of {model.bits} bits, which are not trained further",
            "Start from the file that it was exported from.",
        )
    recipe: Any = model.metadata.provenance.recipe
    if not recipe or "network" not in recipe:
        raise ModelError(f"{escape_path(path)} does not name its recipe", "Use a model that `vidi train` wrote.")
    set_there = recipe.get("options") or {}  # what is not set there is as usual, whatever these images would suggest
    options = {f"options.{one.name}": _plain(set_there.get(one.name)) for one in fields(NetworkOptions)}
    size = {"image_size": _plain(recipe["image_size"])}
    splits = model.path.parent / SPLITS
    assigned = read_assignments(splits) if splits.exists() else []
    members = weights_of(onnx.load_model_from_string(model.data).graph)
    return Start(
        members=members,
        network=str(recipe["network"]),
        changes={**options, **size},
        data_digest=str((model.metadata.provenance.data or {}).get("digest", "")),
        learned_from=model.metadata.provenance.learned_from,
        trained_on=frozenset(row.digest for row in assigned if row.part == "train"),
        note=_which_members(len(members), path, trainings=trainings),
    )


def _plain(value: Any) -> object:
    return tuple(value) if isinstance(value, list) else value


def _which_members(count: int, path: Path, *, trainings: int) -> str:
    """From which of several networks in a file a run starts; empty where there is one."""
    if count == 1:
        return ""
    if trainings == 1:
        return f"starts from the best of the {count} networks in {escape_path(path)}"
    which = f"the best {trainings} of the {count} networks" if trainings < count else f"the {count} networks"
    again = ", in turn" if trainings > count else ""
    return f"the {trainings} trainings start from {which} in {escape_path(path)}{again}"
