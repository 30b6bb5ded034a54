"""`vidi forget`: an image removed from what vidi keeps of it: labels, cache, thumbnails, similar images, logs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidi.data.cache import PixelCache, cache_folder
from vidi.data.labels import LabelsFile, find_labels
from vidi.data.splitting.split_plan import read_assignments
from vidi.data.thumbnails import Thumbnails
from vidi.errors import UsageError
from vidi.evaluation.run_files import LABEL_ERRORS, METRICS, PREDICTIONS
from vidi.files import digest_of_file, escape_path
from vidi.log.address import is_log, parse_address
from vidi.log.store import PredictionLog
from vidi.numbers import count_of
from vidi.workflows.evaluating.learned import CHOSEN_ON
from vidi.workflows.explaining.neighbours import forget_neighbour
from vidi.workflows.interaction.request import labels_of
from vidi.workflows.interaction.run_folder import EVALUATION, REQUEST, SPLITS, read_request, understood
from vidi.workflows.report import rebuild_report
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.retraining.plan import LABELS
from vidi.workflows.reviewing.items import SHORT


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenImage:
    """What was removed of an image, and what could not be."""

    digest: str
    removed: tuple[str, ...]
    left: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the document that `vidi forget --json` prints."""
        return {"digest": self.digest, "removed": list(self.removed), "left": list(self.left)}

    def summary(self) -> Iterator[str]:
        """Give the result line by line, for a terminal."""
        yield f"forgot {self.digest}"
        yield from (f"removed: {one}" for one in self.removed)
        yield from (f"not removed: {one}" for one in self.left)


def forget(image: str, places: Sequence[str], *, environment: Mapping[str, str]) -> ForgottenImage:
    """Remove an image from what vidi keeps of it; the file itself is the user's own, and stays.

    Args:
        image: its file, or the SHA-256 of its bytes.
        environment: may hold a log's password.

    Raises:
        UsageError: no such file or place.
        DataError: a file of a place is damaged.
        ResourceError: a place cannot be written.
    """
    digest = _digest_of(image)
    removed, left = list[str](), list[str]()
    for place in places:
        folder = Path(place)
        runs = [one for one in (folder, *sorted(folder.glob("*/"))) if (one / REQUEST).is_file()]
        if is_log(place):
            with PredictionLog.open(parse_address(place, environment=environment), create=False) as log:
                deleted = log.delete(digest=digest)
            if deleted.total:
                rows = count_of(deleted.total - deleted.images, "row")
                removed.append(f"{rows} and {count_of(deleted.images, 'kept image')} in {place}")
        elif runs or (folder / EVALUATION).is_file():
            for run in runs or (folder,):
                removed.extend(_forget_in_run(run, digest))
                left.extend(_left_in_run(run, digest))
        elif folder.exists():
            removed.extend(_forget_labels(find_labels(folder), digest))
        else:
            raise UsageError(
                f"{escape_path(place)} is neither there nor a log", "Name data sets, run folders and prediction logs."
            )
    if Thumbnails.in_cache().forget(digest):
        removed.append("its thumbnail in the cache")
    PixelCache(cache_folder()).clear()
    removed.append("the whole cache, whose files do not name single images")
    left.append("files of the image, exported models and pages, and pages of vidi check or explain: delete them")
    return ForgottenImage(digest=digest, removed=tuple(dict.fromkeys(removed)), left=tuple(left))


def _digest_of(image: str) -> str:
    if re.fullmatch("[0-9a-f]{64}", image):
        return image
    if not Path(image).is_file():
        raise UsageError(f"{escape_path(image)} is neither a file nor a digest", "Name the file, or its SHA-256.")
    return digest_of_file(Path(image))


def _forget_labels(path: Path, digest: str) -> list[str]:
    count = LabelsFile(path).forget(digest) if path.exists() else 0
    return [f"{count_of(count, 'answer')} in {escape_path(path)}"] if count else []


def _forget_in_run(run: Path, digest: str) -> Iterator[str]:
    """Remove it from the labels of the run's data, its similar images, and the pictures of its report, if any."""
    if (run / REQUEST).is_file():
        with understood(run / REQUEST):
            labels = labels_of(DataRequest.from_dict(read_request(run)["data"]))
        yield from [] if labels is None else _forget_labels(labels, digest)
        if forget_neighbour(run, digest):
            yield f"a thumbnail and an embedding in {escape_path(run)}"
    tables = [run / name for name in (SPLITS, PREDICTIONS, LABEL_ERRORS)]
    is_named = any(digest.encode() in table.read_bytes() for table in tables if table.is_file())
    if is_named and (run / METRICS).is_file():
        rebuild_report(run, forgotten=digest)
        yield f"its picture in the report of {escape_path(run)}"


def _left_in_run(run: Path, digest: str) -> Iterator[str]:
    rows = read_assignments(run / SPLITS) if (run / SPLITS).is_file() else []
    parts = {row.part for row in rows if row.digest == digest}
    if parts:
        yield f"its name and digest in the tables of {escape_path(run)}"
    if parts & set(CHOSEN_ON):
        yield f"what the weights of {escape_path(run)} learned from it: train again without it"
    for copy in sorted(run.glob(f"{LABELS}-*/**/{digest[:SHORT]}*")):
        yield f"its copy {escape_path(copy)}: delete it"
