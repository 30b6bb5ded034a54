"""What the page knows of its models without parsing a model file: `models.json` and each model's `model.json`."""

from collections.abc import Iterable

from vidi.model_file.limits import VERDICTS, VerdictLimits
from vidi.model_file.read import ModelFile
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import Json
from vidi.prediction.words import explain_verdict, why_never_sure

MODEL_FILE = "model.onnx"
MODEL_DOCUMENT = "model.json"
MODELS_DOCUMENT = "models.json"
LEFT_OUT = ("drift_reference", "learned_from")  # large, and of no use to a page; the model file holds them


def model_document(model: ModelFile, name: str, *, byte_count: int) -> dict[str, Json]:
    """What `model.json` says: which file stands beside it, and the metadata as the file holds it.

    Args:
        model: the model file, perhaps without its bytes.
    """
    metadata = metadata_to_json(model.metadata)
    return {
        "id": model.model_id,
        "digest": model.digest,
        "version": version_of(model),
        "name": name,
        "file": MODEL_FILE,
        "bytes": byte_count,
        "outputs": list(model.outputs),
        "verdicts": verdict_sentences(model.metadata.verdict),
        "metadata": {key: value for key, value in metadata.items() if key not in LEFT_OUT},
    }


def verdict_sentences(limits: VerdictLimits | None) -> dict[str, Json] | None:
    """What the page says of each verdict, in Python's words; None without limits.

    Args:
        limits: of the model. `among` is said of several candidates; `never_sure` is empty where answers can be sure.
    """
    if limits is None:
        return None
    sentences: dict[str, Json] = {verdict: explain_verdict(verdict, limits) for verdict in VERDICTS}
    return {**sentences, "among": explain_verdict("unsure", limits, choices=2), "never_sure": why_never_sure(limits)}


def models_document(
    models: Iterable[tuple[str, ModelFile]],
    *,
    predicts: bool = False,
    logs: bool = False,
    keeps_images: bool = False,
    feedback: str | None = None,
) -> dict[str, Json]:
    """What `models.json` says: the models of a page, and what stands behind it.

    Args:
        predicts: a server answers `v1/predict`.
        logs: it keeps a log of answers that the page may send to, with feedback.
        keeps_images: the log takes images, too.
        feedback: address, from the page's, that keeps what people say of an answer, with its image.
    """
    rows: list[Json] = [
        {"name": name, "version": version_of(model), "id": model.model_id, "path": f"models/{name}/"}
        for name, model in models
    ]
    server: dict[str, Json] = {"predict": predicts, "log": logs, "keeps_images": keeps_images}
    return {"models": rows, "server": server if feedback is None else {**server, "feedback": feedback}}


def version_of(model: ModelFile) -> str:
    """The run's name; `1` where the file states none."""
    return model.metadata.provenance.run or "1"
