"""The labels that a check doubts, kept in the cache: a review of the same data shows them without asking again."""

import contextlib
import json
from dataclasses import asdict

from vidi.data.cache import PixelCache
from vidi.data.checked import DataCheck, Finding, SuspectLabel, SuspectLabels
from vidi.data.dataset import Dataset
from vidi.errors import ResourceError
from vidi.files import digest_of, escape_path
from vidi.numbers import count_of, percent


def suspects_finding(found: SuspectLabels) -> Finding:
    """How many labels may be wrong; or that none can be doubted.

    >>> suspects_finding(SuspectLabels(images=1200, suspects=())).sentence
    'no label of 1,200 looks wrong'
    """
    paths = tuple((one.path,) for one in found.suspects)
    sentence = f"{count_of(len(paths), 'label')} of {found.images:,} may be wrong"
    if found.accuracy is not None:
        share = percent(found.accuracy)
        images = f"{found.images:,} held-out images"
        sentence = f"labels are not checked, for only {share} of {images} are classified correctly"
    elif not paths:
        sentence = f"no label of {found.images:,} looks wrong"
    return Finding("suspect-labels", "warning" if paths else "note", sentence, paths, found.suspects)


def name_labels(joined: str) -> str:
    """Labels as a file has them, in words.

    >>> name_labels("cat|dog"), name_labels("")
    ('cat, dog', 'none of the classes')
    """
    return joined.replace("|", ", ") or "none of the classes"


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
