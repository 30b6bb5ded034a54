"""Options that several verbs have and no request: where a model or a run lies, and the form of the answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import click
from click.core import ParameterSource

from vidi.errors import UsageError
from vidi.options import Argument, Option

Model = Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
RunFolder = Annotated[Path, Argument("RUN", "Path to the folder of a run, an evaluation or a comparison.")]
AsJson = Annotated[bool, Option("Print one JSON document.", flags=("--json",))]
NoPictures = Annotated[bool, Option("Leave all pictures out of the written files.", flags=("--no-images",))]


# Verb → heading in its `--help` → names of the options under it.
HELP_GROUPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "train": {
        "Data": (
            "classes",
            "positive",
            "names",
            "multi_label",
            "labels",
            "allow_outside",
            "keep_truncated",
            "background",
            "proposals",
        ),
        "Split": ("split_file", "parts", "allow_leaks"),
        "Network": ("network", "pretrained", "weights", "freeze", "image_size", "ensemble"),
        "Training": ("minutes", "epochs", "batch", "learning_rate", "optimizer", "patience", "seed"),
        "Recipe and target": ("recipe", "changes", "recall"),
        "Result": ("output", "overwrite", "images", "track"),
        "Computer": ("device", "workers", "ray"),
        "Interrupted run": ("resume", "finish"),
        "Instead of training": ("preview",),
    },
    "tune": {
        "Data": ("classes", "positive", "names", "multi_label", "labels", "allow_outside", "split_file", "allow_leaks"),
        "Search": ("minutes", "trials", "trial_minutes", "storage", "study"),
        "Network and training": ("network", "weights", "image_size", "epochs", "recipe", "changes"),
        "Result": ("output", "as_json"),
        "Interrupted search": ("resume", "finish"),
    },
}


def given_flags() -> dict[str, str]:
    """Name → flag, of the options and arguments that stand on the command line."""
    context = click.get_current_context()
    return {
        one.name: one.opts[0] if isinstance(one, click.Option) else one.human_readable_name.strip("[]")
        for one in context.command.params
        if context.get_parameter_source(one.name) is ParameterSource.COMMANDLINE
    }


def refuse_beside_resume(allowed: Sequence[str]) -> None:
    """Refuse options that `--resume` takes from the run.

    Raises:
        UsageError: one that is not among the allowed was given.
    """
    for name, flag in given_flags().items():
        if name not in allowed:
            raise UsageError(
                f"--resume takes data and recipe from the run, so it excludes {flag}",
                "Leave it out. To start a new run from these weights, use `vidi train --from RUN`.",
            )


def nothing_to_train(finish: bool, *, verb: str, holds: str) -> UsageError:
    """The error of `vidi train` and `vidi tune` without data.

    Args:
        finish: `--finish` was given without `--resume`.
    """
    if finish:
        return UsageError("--finish needs --resume", f"Name the {holds}: vidi {verb} --resume runs/NAME --finish")
    return UsageError("there is nothing to train on", f"Name a folder of images: vidi {verb} photos/")
