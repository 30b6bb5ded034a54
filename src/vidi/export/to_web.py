"""The page as a folder for any host of files: its own files, and the models that it offers."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from vidi.errors import UsageError
from vidi.export.model_document import MODEL_DOCUMENT, MODEL_FILE, MODELS_DOCUMENT, model_document, models_document
from vidi.export.page_files import FETCH, has_runtime, page_files
from vidi.model_file.read import ModelFile
from vidi.model_file.values import canonical_json


def write_web(folder: Path, models: Sequence[tuple[str, ModelFile]]) -> None:
    """Write the page and its models; all addresses in it are relative, so it may stand under any path.

    Args:
        folder: exists and is empty.
        models: name and file of each; the page begins with the first.

    Raises:
        UsageError: this installation has no onnxruntime-web.
    """
    if not has_runtime():
        raise UsageError(
            "this copy of vidi has no onnxruntime-web, in which the page runs models",
            f"In the source checkout, run `{FETCH}` (needs npm); a wheel of vidi brings it along.",
        )
    for name, path in page_files().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / MODELS_DOCUMENT).write_text(canonical_json(models_document(models)), encoding="utf-8")
    for name, model in models:
        place = folder / "models" / name
        place.mkdir(parents=True)
        (place / MODEL_FILE).write_bytes(model.data)
        document = model_document(model, name, byte_count=len(model.data))
        (place / MODEL_DOCUMENT).write_text(canonical_json(document), encoding="utf-8")
