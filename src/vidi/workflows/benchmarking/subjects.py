"""What a benchmark times: each model by each engine, and the lighter files made of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidi.errors import ModelError, UnknownNameError
from vidi.files import escape_path
from vidi.model_file.read import ModelFile, read_model
from vidi.prediction.engines.registry import ENGINES, is_installed, open_engine
from vidi.prediction.predictor import Predictor

MODEL_FILE = "model.onnx"
FIGURES = "export.json"  # stands beside a lighter file
PRECISIONS = {32: "fp32", 16: "fp16", 8: "int8"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A model by an engine."""

    name: str  # of the model
    engine: str
    predictor: Predictor

    @property
    def key(self) -> str:
        """Its name among all subjects."""
        return f"{self.name} by {self.engine}"


def find_models(named: Sequence[str]) -> dict[str, ModelFile]:
    """The models that were named, and after each the lighter files made of it that lie in folders beside it.

    Returns:
        By a name for people, each once.

    Raises:
        ModelError: what was named is no model file.
    """
    found: list[ModelFile] = []
    for text in named:
        model = read_model(Path(text))
        for one in (model, *lighter_files(model)):
            if all(one.digest != other.digest for other in found):
                found.append(one)
    names = [_name(model) for model in found]
    return {
        name if names.count(name) == 1 else escape_path(model.path): model
        for name, model in zip(names, found, strict=True)
    }


def lighter_files(model: ModelFile) -> list[ModelFile]:
    """Files of fewer bits that `vidi export` made of this one, in folders in or beside its own."""
    own = model.path.resolve().parent
    places = {report.parent for folder in (own, own.parent) for report in folder.glob(f"*/{FIGURES}")}
    found = []
    for place in sorted(places):
        try:
            one = read_model(place / MODEL_FILE)
        except ModelError:
            continue
        if one.metadata.derived_from == model.metadata.weights_digest:
            found.append(one)
    return found


def open_subjects(models: dict[str, ModelFile], engines: Sequence[str] | None) -> tuple[list[Subject], dict[str, str]]:
    """Each model by each engine that gives its golden answers.

    Args:
        models: by name.
        engines: their names; None: all that are installed.

    Returns:
        The subjects, and why others are left out, by their keys.

    Raises:
        UnknownNameError, MissingPackageError: an engine that was named is unknown or not installed.
        ModelError: no engine takes any model.
    """
    for name in engines or ():
        if name not in ENGINES:
            raise UnknownNameError(f"no engine is called {name!r}", f"Use one of: {', '.join(ENGINES)}.")
    wanted = list(dict.fromkeys(engines or (name for name in ENGINES if is_installed(name))))
    subjects, refused = list[Subject](), dict[str, str]()
    for name, model in models.items():
        for engine in wanted:
            try:
                predictor = Predictor(open_engine(engine, model), model)
            except ModelError as error:
                refused[f"{name} by {engine}"] = error.cause
            else:
                subjects.append(Subject(name=name, engine=engine, predictor=predictor))
    if not subjects:
        raise ModelError("; ".join(refused.values()), "Use `--engine onnxruntime`.")
    return subjects, refused


def _name(model: ModelFile) -> str:
    path = model.path.resolve()
    return escape_path(path.parent.name if path.name == MODEL_FILE else path.stem)
