"""What the user asked `vidi train` for, as run.json keeps it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from vidi.evaluation.guarantees.limits import Promise
from vidi.evaluation.guarantees.wish import Wish
from vidi.workflows.interaction.request import DataRequest
from vidi.workflows.studies.label_errors import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What the user asked for, beside the data."""

    data: DataRequest
    network: str | None = None  # compact where left out, or that of `weights`
    weights: str | None = None  # a run folder or model file to begin from
    pretrained: str | None = None  # weights learnt from other images: a name, `auto`, or None for new ones
    recipe: str | None = None  # a recipe.toml that stands in place of the rules
    changes: Mapping[str, object] = field(default_factory=dict)  # fields of the recipe that the user set
    minutes: float | None = None  # for everything, from reading to the report
    ensemble: int | None = None  # so many trainings become one model; None = one
    ensemble_by: str | None = None  # what they differ in: seeds (where left out) or folds
    asked: Asked = field(default_factory=Asked)  # what to find out about the images beyond what a run tells unasked
    promise: Promise = field(default_factory=Promise)  # what sure answers and candidates are to keep
    wish: Wish | None = None  # what decisions are to keep, for `data.positive` or for each class
    workers: int | None = None  # decoding processes
    images: bool = True  # False: no picture in anything that is written, and no cache left
    output: Path | None = None
    overwrite: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for run.json."""
        values = asdict(self)
        return {**values, "output": None, "changes": dict(self.changes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The request that `as_dict` wrote."""
        plain: dict[str, Any] = {**values}
        plain["data"] = DataRequest.from_dict(plain["data"])
        plain["asked"] = Asked(**plain.get("asked", {}))
        plain["promise"] = Promise(**plain.get("promise", {}))
        plain["wish"] = Wish.from_dict(plain.get("wish"))
        # JSON knows no tuples, and the recipe no lists.
        changes = plain.get("changes", {}).items()
        plain["changes"] = {name: tuple(value) if isinstance(value, list) else value for name, value in changes}
        return cls(**plain)
