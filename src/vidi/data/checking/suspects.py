"""The labels that a check doubts, kept in the cache: a review of the same data shows them without asking again."""

import contextlib
import json
from dataclasses import asdict

from vidi.data.cache import PixelCache
from vidi.data.checked import DataCheck, Finding, SuspectLabel, SuspectLabels
from vidi.data.dataset import Dataset
from vidi.errors import ResourceError
from vidi.files import digest_of, escape_path


def suspects_finding(found: SuspectLabels) -> Finding:
    """The finding about labels that are likely wrong."""
    paths = tuple((one.path,) for one in found.suspects)
    return Finding("suspect-labels", "warning" if paths else "note", paths, found)


def keep_suspects(cache: PixelCache, dataset: Dataset, found: SuspectLabels) -> None:
    """Keep what a check doubts, in place of what an earlier one did, if there is room."""
    with contextlib.suppress(ResourceError):
        cache.keep_bytes(_key(dataset), json.dumps(asdict(found)).encode())


def with_kept_suspects(cache: PixelCache, dataset: Dataset, check: DataCheck) -> DataCheck:
    """The check with the labels that the last one of this data doubted, where their files are as they were.

    Args:
        cache: where `keep_suspects` put them.
        dataset: with what people said of it or without.
        check: of the data.
    """
    kept = cache.find_bytes(_key(dataset))
    if kept is None:
        return check
    told = json.loads(kept)
    digests = {record.path: record.digest for record in check.records}
    suspects = (SuspectLabel(**one) for one in told.pop("suspects"))
    same = tuple(one for one in suspects if digests.get(one.path) == one.digest)
    return check.with_finding(suspects_finding(SuspectLabels(**told, suspects=same)))


def _key(dataset: Dataset) -> str:
    """Where the suspects of this data lie: by its paths and its own labels, whatever people said of them."""
    given = (
        (image.path, image.labels if image.given is None else image.given) for image in dataset.with_left_out().images
    )
    lines = sorted((escape_path(path), sorted(dataset.classes[label] for label in labels)) for path, labels in given)
    return digest_of(json.dumps(["suspects", [line for line in lines if line[1]]]).encode())
