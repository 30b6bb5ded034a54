"""`vidi report`: a run's report written again from its folder."""

from pathlib import Path
from typing import Any

from vidi.errors import ImageError, UsageError
from vidi.evaluation.run_files import METRICS
from vidi.files import digest_of, escape_path, read_json, unescape_path
from vidi.images.store import ImageStore
from vidi.model_file.read import ModelFile, read_model
from vidi.report.cards import write_model_card
from vidi.report.pages.compare import write_compare_page
from vidi.report.pages.run import write_report
from vidi.report.pages.tune import write_tune_page
from vidi.workflows.comparing import PAGE, read_comparison
from vidi.workflows.interaction.events import SILENCE, Events
from vidi.workflows.interaction.request import decode_options, open_store
from vidi.workflows.interaction.run_folder import (
    BOXES,
    COMPARISON,
    EVALUATION,
    MODEL,
    REQUEST,
    TUNING,
    TUNING_PAGE,
    read_tuning,
    understood,
    with_moved_data,
)
from vidi.workflows.requests.data import DataRequest


class StoreWithout:
    """A store of images without one of them, by its digest."""

    def __init__(self, store: ImageStore, digest: str) -> None:
        self.store, self.digest = store, digest

    def read(self, path: str) -> bytes:
        """The bytes of one encoded image file.

        Raises:
            ImageError: the file cannot be read, or is the one that is forgotten.
        """
        data = self.store.read(path)
        if digest_of(data) == self.digest:
            raise ImageError("unreadable", "The image was forgotten.", "")
        return data


def rebuild_report(
    run: Path, *, with_images: bool = True, forgotten: str | None = None, events: Events = SILENCE
) -> Path:
    """Write report.html (and a run's model_card.md) again from what the folder holds.

    A run that was made with `--no-images` stays without pictures. Where the data is no longer there, the images are
    named by path.

    Args:
        with_images: False leaves every picture out.
        forgotten: digest of an image whose picture is left out.
        events: receives a message if the images cannot be read.

    Returns:
        The path of the page.

    Raises:
        UsageError: neither a run nor an evaluation.
        DataError, ModelError: a file in it is damaged.
    """
    folder = run.parent if run.is_file() else run
    if (folder / TUNING).exists():
        return _rebuild_tune_page(folder)
    if (folder / COMPARISON).exists():
        return _rebuild_comparison(folder, with_images=with_images, events=events)
    if (folder / BOXES).exists():
        raise UsageError(
            f"{escape_path(run)} holds box scores, which have no report",
            "See boxes.json and boxes.svg in it.",
        )
    if not (folder / METRICS).exists() and not (folder / MODEL).exists():
        raise UsageError(
            f"{escape_path(run)} is neither a run nor an evaluation",
            "Name a folder in `runs/` or `evaluations/`. `vidi runs` lists the runs here.",
        )
    request = _read_request(folder)
    with understood(folder / (REQUEST if (folder / REQUEST).exists() else EVALUATION)):
        data, model = DataRequest.from_dict(request["data"]), _evaluated_model(request)
    shown = with_images and bool(request.get("images", True))
    store = open_store(data, events) if shown else None
    if store is not None and forgotten is not None:
        store = StoreWithout(store, forgotten)
    path = write_report(folder, model=model, store=store, options=decode_options(data), with_images=shown)
    if (folder / MODEL).exists():
        write_model_card(folder)
    return path


def _rebuild_tune_page(folder: Path) -> Path:
    document = read_tuning(folder)
    if "finding" not in document:
        raise UsageError(
            f"{escape_path(folder)} is an interrupted search",
            f"Continue it: vidi tune --resume {escape_path(folder)}",
        )
    write_tune_page(folder / TUNING_PAGE, document)
    return folder / TUNING_PAGE


def _rebuild_comparison(folder: Path, *, with_images: bool, events: Events) -> Path:
    """Write the page of a comparison again."""
    document = read_comparison(folder)
    with understood(folder):
        data, shown = DataRequest.from_dict(document["request"]["data"]), with_images and document["request"]["images"]
    store = open_store(data, events) if shown else None
    write_compare_page(folder / PAGE, document, store=store, options=decode_options(data))
    return folder / PAGE


def _read_request(folder: Path) -> dict[str, Any]:
    """What the run or the evaluation was asked for."""
    for name in (REQUEST, EVALUATION):
        try:
            with understood(folder / name):
                values: dict[str, Any] = dict(read_json(folder / name))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UsageError(f"{escape_path(folder / name)} cannot be read: {error}", "Copy it again.") from error
        return with_moved_data(values, folder)
    raise UsageError(
        f"{escape_path(folder)} holds neither {REQUEST} nor {EVALUATION}", "Name a folder that vidi wrote."
    )


def _evaluated_model(request: dict[str, Any]) -> ModelFile | None:
    """The model file that an evaluation names, if it is still there; a run holds its own."""
    if "model" not in request:
        return None
    path = Path(unescape_path(request["model"]))
    return read_model(path) if path.exists() else None
