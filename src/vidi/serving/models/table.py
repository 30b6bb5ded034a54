"""The table of the models that are served; a model in it is exchanged whole."""

from collections.abc import Iterable, Iterator

from vidi.serving.models.served import ServedModel
from vidi.serving.problems import Problem


class ModelTable:
    """Models by name. A request holds the model that it began with; the next one gets the new model."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models = {model.name: model for model in models}
        self.refusals: dict[str, str] = {}  # name → why a newer file was not taken; the model before it goes on

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def __len__(self) -> int:
        return len(self._models)

    def replace(self, model: ServedModel) -> None:
        """Put a model in the place of the one of its name."""
        self._models = {**self._models, model.name: model}
        self.refusals.pop(model.name, None)

    def find(self, name: str | None, version: str | None = None) -> ServedModel:
        """The model of a name; the only one where no name is given.

        Raises:
            Problem: there is none of this name or version, or there are several and none was named.
        """
        if name is None:
            if len(self._models) > 1:
                raise Problem("no-such-model", "The request names no model, and several are served.", self._names())
            return next(iter(self._models.values()))
        model = self._models.get(name)
        if model is None:
            raise Problem("no-such-model", "No model of this name is served.", self._names())
        if version is not None and version != model.version:
            raise Problem(
                "no-such-model", "The model of this name has another version.", f"It is version {model.version!r}."
            )
        return model

    def _names(self) -> str:
        return f"Name one of: {', '.join(self._models)}."
