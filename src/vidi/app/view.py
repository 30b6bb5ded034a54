"""Which images of a gallery are shown, in which order, and what the page shows of them: arrays in, arrays out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from vidi.app.columns import BIT, EXACT, FLAGS, NEAR, ODD_BITS, SAME_PHOTOGRAPH, Findings, ImageList, Ints, Mask, Rows
from vidi.app.said import CODE, KINDS, LEFT_OUT, Said
from vidi.errors import UsageError
from vidi.files import escape_path
from vidi.workflows.reviewing.items import Occasion

WORST: Final = ("unreadable", *(one for one in get_args(Occasion) if one in FLAGS))  # the gravest finding first
GROUPED: Final = {"exact-copies": EXACT, "near-copies": NEAR, "conflicting-labels": SAME_PHOTOGRAPH}
STATES: Final = ("unlabelled", "excluded", "none", "unclear", "disputed", "changed", "bulk")
FILTERS: Final = (*FLAGS, "odd", *STATES)
SORTS: Final = ("", "path", "name", "class", "odd", "alike")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which images are wanted: those that pass every filter, in an order."""

    filters: tuple[str, ...] = ()  # of `FILTERS`
    classes: tuple[str, ...] = ()  # of one of these
    text: str = ""  # in the path, in any case
    digests: tuple[str, ...] = ()  # only these
    sort: str = ""  # of `SORTS`; "": what suits the filters

    def __post_init__(self) -> None:
        for value, known, what in ((self.sort, SORTS, "sort"), *((one, FILTERS, "filter") for one in self.filters)):
            if value not in known:
                raise UsageError(f"{what}={value[:60]} is unknown", f"Use one of: {', '.join(filter(None, known))}.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """All that is known of the images at one moment."""

    images: ImageList
    found: Findings
    kinds: NDArray[np.uint8]  # (images,) codes of what people said
    labels: Ints  # (images,) the class that counts now; -1: none
    is_bulk: Mask
    flags: Rows  # (images,) bits of the findings that are not settled
    names: Sequence[str]  # of the classes

    @property
    def is_left_out(self) -> Mask:
        """(images,) whether people left it out."""
        return np.asarray(LEFT_OUT[self.kinds], np.bool_)

    @property
    def is_usable(self) -> Mask:
        """(images,) whether it would be learned from, had it a label."""
        return np.asarray(~(self.is_left_out | (self.found.flags & BIT["unreadable"] != 0)), np.bool_)


def snapshot(images: ImageList, found: Findings, said: Said) -> Snapshot:
    """What is known now, and which findings are still open."""
    kinds = said.kinds
    labels = np.where(kinds == CODE["label"], said.labels, np.where(kinds == CODE["none"], -1, images.given))
    return Snapshot(
        images=images,
        found=found,
        kinds=kinds,
        labels=labels,
        is_bulk=said.is_bulk,
        flags=_open_flags(found, kinds, labels),
        names=said.names,
    )


def _open_flags(found: Findings, kinds: NDArray[np.uint8], labels: Ints) -> Rows:
    """The findings that nobody has settled: by an answer about the image, or about its copies."""
    is_said, stays = kinds != 0, ~LEFT_OUT[kinds]
    flags = np.where(is_said, 0, found.flags & ODD_BITS)
    flags |= np.where(stays, found.flags & BIT["unreadable"], 0)
    flags[(found.suggested >= 0) & (found.suggested != labels) & ~is_said] |= BIT["suspect-labels"]
    for name, place in GROUPED.items():
        groups, rows = found.groups[place], np.flatnonzero((found.groups[place] >= 0) & stays)
        if not len(rows):
            continue
        of = groups[rows]
        sizes = np.bincount(of)
        if name == "conflicting-labels":
            labelled = labels[rows] >= 0
            lowest, highest = np.full(len(sizes), np.iinfo(np.int32).max), np.full(len(sizes), -1)
            np.minimum.at(lowest, of[labelled], labels[rows][labelled])
            np.maximum.at(highest, of[labelled], labels[rows][labelled])
            is_open = lowest < highest
        else:
            is_open = (sizes > 1) & (np.bincount(of, weights=is_said[rows]) < sizes)
        flags[rows[is_open[of]]] |= BIT[name]
    return flags


def choose_rows(now: Snapshot, query: Query) -> Rows:
    """The rows that a query asks for, in its order."""
    kept = np.ones(len(now.images), np.bool_)
    for name in query.filters:
        kept &= _passes(now, name)
    if query.classes:
        wanted = [now.names.index(name) for name in query.classes if name in now.names]
        kept &= np.isin(now.labels, wanted) & ~now.is_left_out
    if query.text:
        text = query.text.casefold()
        kept &= np.fromiter((text in path for path in now.images.folded), np.bool_, len(kept))
    if query.digests:
        wanted_bytes = np.frombuffer(bytes.fromhex("".join(query.digests)), np.uint64).reshape(-1, 4)
        ours = now.found.digests.view(np.uint64)
        kept &= np.any([(ours == one).all(axis=1) for one in wanted_bytes], axis=0)
    return _sorted(now, np.flatnonzero(kept), query)


def _passes(now: Snapshot, name: str) -> Mask:
    """(images,) whether each is one of those that a filter wants."""
    if name == "unlabelled":
        return (now.labels < 0) & now.is_usable
    if name == "excluded":
        return np.isin(now.kinds, [CODE["exclude"], CODE["copy"]])
    if name == "changed":
        return np.asarray(now.kinds != 0, np.bool_)
    if name == "bulk":
        return now.is_bulk
    if name in CODE:
        return np.asarray(now.kinds == CODE[name], np.bool_)
    return np.asarray(now.flags & (ODD_BITS if name == "odd" else BIT[name]) != 0, np.bool_)


def _sorted(now: Snapshot, rows: Rows, query: Query) -> Rows:
    """Rows, ascending, in the order that is asked for."""
    grouped = next((GROUPED[name] for name in query.filters if name in GROUPED), None)
    keys: NDArray[np.generic]
    if query.sort == "name":
        place = np.empty(len(now.images), np.int64)
        place[now.images.by_name] = np.arange(len(place))
        keys = place[rows]
    elif query.sort == "class":
        keys = np.where(now.labels[rows] < 0, len(now.names), now.labels[rows])
    elif query.sort == "odd":
        keys = _gravity(now.flags[rows])
    elif query.sort == "alike":
        keys = now.found.alike[rows]
    elif query.sort == "" and grouped is not None:
        keys = now.found.groups[grouped][rows]
    elif query.sort == "" and "suspect-labels" in query.filters:
        keys = -now.found.shares[rows]
    else:
        return rows
    return rows[np.argsort(keys, kind="stable")]


def _gravity(flags: Rows) -> Rows:
    """(images,) the place of each image's gravest finding in `WORST`."""
    places = np.full(len(flags), len(WORST))
    for place, name in reversed([*enumerate(WORST)]):
        places[flags & BIT[name] != 0] = place
    return places


def counts(now: Snapshot) -> dict[str, object]:
    """How many images each class, finding and state has, as the page gets them."""
    used = now.labels[now.is_usable & (now.labels >= 0)]
    sizes = np.bincount(used, minlength=len(now.names)).tolist()
    return {
        "images": len(now.images),
        "classes": [{"name": name, "count": size} for name, size in zip(now.names, sizes, strict=True)],
        "filters": {name: int(np.count_nonzero(_passes(now, name))) for name in FILTERS},
    }


def columns(now: Snapshot, rows: Rows, *, stamp: str) -> dict[str, list[object]]:
    """What the page shows of some images, a list for each column.

    Args:
        stamp: of the list of images; with the row it names an image whose digest is not known yet.
    """
    paths, found = now.images.paths, now.found
    return {
        "row": rows.tolist(),
        "id": [found.digest(row) or f"{stamp}.{row}" for row in rows.tolist()],
        "path": [escape_path(paths[row]) for row in rows.tolist()],
        "label": now.labels[rows].tolist(),
        "given": now.images.given[rows].tolist(),
        "kind": [KINDS[code] for code in now.kinds[rows].tolist()],
        "flags": now.flags[rows].tolist(),
        "suggested": found.suggested[rows].tolist(),
        "share": [round(share, 4) for share in found.shares[rows].tolist()],
        "bulk": now.is_bulk[rows].astype(np.int64).tolist(),
    }


def leave_one(now: Snapshot, rows: Rows, *, exact: bool) -> Rows:
    """The rows that go where one image of each group of copies is kept.

    Where some images of a group are chosen and others are not, the chosen ones stay. Else the best one does: that of
    the test part, or the largest. Images of different classes are no copies of one another.

    Args:
        rows: chosen images.
        exact: only files with the same bytes are copies.
    """
    groups = now.found.groups[EXACT if exact else NEAR].astype(np.int64)
    units = np.where(groups < 0, -1, groups * (len(now.names) + 1) + now.labels + 1)
    units[~now.is_usable] = -1
    members = np.flatnonzero(np.isin(units, units[rows][units[rows] >= 0]) & (units >= 0))
    is_chosen = np.zeros(len(units), np.bool_)
    is_chosen[rows] = True
    _, unit = np.unique(units[members], return_inverse=True)
    sizes, chosen = np.bincount(unit), np.bincount(unit, weights=is_chosen[members])
    by_choice = (chosen > 0) & (chosen < sizes)
    height, width, byte_count = now.found.sizes[members].T
    order = np.lexsort((members, -byte_count, -height * width, ~now.images.is_test[members], unit))
    best = np.zeros(len(members), np.bool_)
    best[order[np.unique(unit[order], return_index=True)[1]]] = True
    return members[~np.where(by_choice[unit], is_chosen[members], best)]
