"""The shortcut check: can the file, its size, its edge or its mean colour alone tell what an image shows?"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from vidi.data.checked import (
    ClassSeparation,
    DataCheck,
    Finding,
    ImageRecord,
    Shortcut,
    Shortcuts,
)
from vidi.data.dataset import Dataset
from vidi.data.duplicates.fingerprint import SIDE, Fingerprints
from vidi.files import escape_path
from vidi.groups import join_links, links_of_equal, split_folds
from vidi.machine import one_matrix_thread
from vidi.metrics.additive import cross_fitted_scores, standard_columns, step_columns
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import LEVEL, Interval, mean_interval, wilson_interval
from vidi.metrics.outputs import SIGMOID, SOFTMAX
from vidi.metrics.truth import OneClass, SeveralClasses, Truth
from vidi.numbers import count_of, percent

MOST_LOOKED_AT = 3_000  # images; more would tell no more
LEAST_OF_CLASS = 10  # images: below it a class is left out
MOST_CLASSES = 200  # those with the most images
MOST_BY_THEMSELVES = 20  # where each class is a question, and a fit, of its own
DOUBT = 2.0  # images' worth, in every step: one image alone must not decide
DOUBT_IN_DETAIL = 0.25  # of all images, in every pixel: only what many of them share counts
MOST_EXAMPLES = 6  # images shown of a class that is told by a shortcut

# When a family of numbers is called a shortcut (`python -m bench shortcuts`). Of the way from chance to always right,
# as measured and at its interval's lower end: on sets without a planted one all numbers together go up to 0.68 of it.
MOST_OF_THE_WAY, SURELY_OF_THE_WAY = 0.8, 0.7
# For one class against the others, right answers with both sides counting the same: on these sets a family reaches
# at most 0.81 where the middle of the image tells less, fine detail of a corner at most 0.61.
LIMITS, LIMITS_IN_DETAIL = (0.9, 0.8), (0.8, 0.7)
TINY_SIDE = 16  # pixels: below it a corner, an eighth of the side, is not two pixels wide
EDGES = ("corners", "border", "detail")  # where what is shown fills the image, they tell something, the middle more
CORNER, RIM = SIDE // 8, SIDE // 24  # pixels of the grey thumbnail: an eighth, and 4 % of the side
MOST_DETAIL = 32  # grey levels: a single edge must not outweigh what returns in every image
DARKEST, BRIGHTEST = 1, 99  # percent of the pixels: single ones may be damage
WORDS: Mapping[str, str] = {
    "file": "the size and kind of the file",
    "dimensions": "width and height",
    "corners": "the four corners",
    "border": "the outermost edge",
    "colour": "mean colour and light",
    "detail": "fine detail in the corners",
    "together": "file, dimensions, edges and mean colour together",
    "middle": "a plain look at the middle of the image",  # no shortcut: what the edge is compared with
}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The images that are looked at, and what they show of the classes that are large enough."""

    rows: NDArray[np.int64]
    truth: Truth
    names: Sequence[str]  # of those classes


def find_shortcuts(dataset: Dataset, check: DataCheck, fingerprints: Fingerprints) -> Shortcuts | None:
    """How well each family of plain numbers tells the classes apart, on images that the fit has not seen.

    Test images of the user's own split are not looked at. Images that belong together are fitted or asked together.

    Args:
        dataset: the images; where they may show several classes, each is told from the images without it.
        fingerprints: one row for each image.

    Returns:
        None where there are not two classes with ten images.
    """
    chosen = _choose_rows(dataset, check)
    if chosen is None:
        return None
    rows, truth = chosen.rows, chosen.truth
    links = [*links_of_equal(image.group for image in dataset.images), *check.exact_links, *check.near_links]
    groups = join_links(len(dataset.images), [*links, *check.capture_links])[rows]
    columns, masks, doubts = _columns_of(
        [check.records[row] for row in rows.tolist()],
        fingerprints.only(rows),
        doubt_in_detail=DOUBT_IN_DETAIL * len(rows),
    )
    random, looks = np.random.default_rng(0), len(masks) * (1 + len(chosen.names))
    with one_matrix_thread():
        results = _fit_families(columns, truth, groups, masks, doubts, random=random)
    return Shortcuts(
        image_count=len(rows),
        group_count=len(np.unique(groups)),
        classes=tuple(chosen.names),
        outputs=truth.outputs,
        are_tiny=bool(np.median([min(check.records[row].size) for row in rows.tolist()]) < TINY_SIDE),
        families=tuple(
            _judge(family, scores, scores > limits, chosen, groups, level=1 - (1 - LEVEL) / looks)
            for family, (scores, limits) in zip(WORDS, results, strict=True)
        ),
    )


def _fit_families(
    columns: NDArray[np.float32],
    truth: Truth,
    groups: Counts,
    masks: Sequence[NDArray[np.bool_]],
    doubts: Floats,
    *,
    random: np.random.Generator,
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """For each family (images, classes) scores and limits: of all classes at once, or of each by itself, yes and no."""
    if isinstance(truth, OneClass):
        folds = split_folds(groups, labels=truth.labels, seed=random)
        return cross_fitted_scores(columns, truth.labels, folds, masks, penalties=doubts)
    each = []
    for own in truth.shown.T.astype(np.int64):
        folds = split_folds(groups, labels=own, seed=random)
        fitted = cross_fitted_scores(columns, own, folds, masks, penalties=doubts)
        each.append([(scores[:, 1], limits[:, 1]) for scores, limits in fitted])
    return [
        (np.stack([one[0] for one in family], axis=1), np.stack([one[1] for one in family], axis=1))
        for family in zip(*each, strict=True)
    ]


def _columns_of(
    records: Sequence[ImageRecord], prints: Fingerprints, *, doubt_in_detail: float
) -> tuple[NDArray[np.float32], list[NDArray[np.bool_]], Floats]:
    """All columns, which of them each family of `WORDS` may use, and how much each is doubted."""
    surface = describe_surface(records, prints)
    steps, owners = step_columns(np.concatenate([*surface.values()], axis=1))
    names = np.repeat(list(surface), [values.shape[1] for values in surface.values()])[owners]
    fine = {"detail": corner_detail(prints), "middle": middle_detail(prints)}
    details = standard_columns(np.concatenate([*fine.values()], axis=1))
    names = np.append(names, np.repeat(list(fine), [values.shape[1] for values in fine.values()]))
    masks = [names != "middle" if family == "together" else names == family for family in WORDS]
    doubts = np.append(np.full(steps.shape[1], DOUBT), np.full(details.shape[1], doubt_in_detail))
    return np.append(steps, details, axis=1), masks, doubts


def _choose_rows(dataset: Dataset, check: DataCheck) -> _Chosen | None:
    """The images that are looked at; None where too few classes are large enough."""
    usable, several = check.usable, dataset.multi_label
    rows = np.array(
        [
            index
            for index, image in enumerate(dataset.images)
            if usable[index] and (several or len(image.labels) == 1) and image.part in (None, "train")
        ],
        dtype=np.int64,
    )
    if len(rows) > MOST_LOOKED_AT:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_LOOKED_AT, replace=False))
    shown = np.zeros((len(rows), len(dataset.classes)), np.bool_)
    for place, row in enumerate(rows.tolist()):
        shown[place, list(dataset.images[row].labels)] = True
    sizes = shown.sum(axis=0)
    if several:  # of a class that nearly all images show the others tell as little
        sizes = np.minimum(sizes, len(rows) - sizes)
    largest = np.argsort(-sizes, kind="stable")[: MOST_BY_THEMSELVES if several else MOST_CLASSES]
    kept = np.sort(largest[sizes[largest] >= LEAST_OF_CLASS])
    if len(kept) < (1 if several else 2):
        return None
    is_kept = np.ones(len(rows), np.bool_) if several else shown[:, kept].any(axis=1)
    shown, names = shown[is_kept][:, kept], [dataset.classes[index] for index in kept.tolist()]
    truth = SeveralClasses.of(shown) if several else OneClass(labels=np.nonzero(shown)[1], class_count=len(names))
    return _Chosen(rows[is_kept], truth, names)


def _judge(
    family: str,
    scores: Floats,
    told: NDArray[np.bool_],
    chosen: _Chosen,
    groups: Counts,
    *,
    level: float,
) -> Shortcut:
    """What one family reaches: over all classes, and for each class against the others."""
    truth, predicted = chosen.truth, scores.argmax(axis=1)
    recalls, intervals, classes = [], [], []
    for index, name in enumerate(chosen.names):
        own = truth.shown[:, index]
        if isinstance(truth, OneClass):
            recall, interval = _share(predicted[own] == index, groups[own], level=LEVEL)
        else:
            recall, interval = _share_of_both(told[:, index], own, groups)
        recalls.append(recall)
        intervals.append(interval)
        found, of_found = _share(told[own, index], groups[own], level=level)
        spared, of_spared = _share(~told[~own, index], groups[~own], level=level)
        both = mean_interval([found, spared], [of_found, of_spared])
        order = chosen.rows[own][np.argsort(-scores[own, index], kind="stable")]
        classes.append(
            ClassSeparation(
                name=name,
                found=found,
                taken=1 - spared,
                low=both.low if both else 0.0,
                examples=tuple(order[:MOST_EXAMPLES].tolist()),
            )
        )
    interval = mean_interval(recalls, intervals) or Interval(0.0, 1.0)
    classes.sort(key=lambda one: -one.told)
    return Shortcut(family, WORDS[family], float(np.mean(recalls)), interval, tuple(classes))


def _share_of_both(told: NDArray[np.bool_], own: NDArray[np.bool_], groups: Counts) -> tuple[float, Interval | None]:
    """The share of right answers yes and no, both counting the same, and its interval."""
    sides = [_share(told[own], groups[own], level=LEVEL), _share(~told[~own], groups[~own], level=LEVEL)]
    shares, between = [share for share, _ in sides], [interval for _, interval in sides]
    return float(np.mean(shares)), mean_interval(shares, between)


def _share(hits: NDArray[np.bool_], groups: Counts, *, level: float) -> tuple[float, Interval | None]:
    """A share, and its interval with each group counting as one image."""
    share, units = float(hits.mean()), len(np.unique(groups))
    return share, wilson_interval(share * units, units, level=level)


def list_shortcuts(found: Shortcuts | None, paths: Sequence[str]) -> list[Finding]:
    """One finding where plain numbers clearly tell the classes, or else some of them, apart; none where they do not.

    Args:
        paths: of all images, by index.
    """
    if found is None:
        return []
    alone = [one for one in found.families if one.family not in ("together", "middle")]
    clear = [one for one in found.families if found.outputs == SOFTMAX and _is_clear(one, found)]
    whole = sorted((one for one in clear if one in alone), key=lambda one: -one.accuracy)
    told = sorted(((one, best) for one in alone for best in _clear_classes(one, found)), key=lambda pair: -pair[1].told)
    together = [one for one in clear if one.family == "together"]
    if whole or (together and not told):
        shown = whole or together
        return [_finding(_about_all(found, shown), shown[0].classes[0], paths)]
    return [_finding(_about_some(found, told), told[0][1], paths)] if told else []


def _is_clear(shortcut: Shortcut, found: Shortcuts) -> bool:
    """Whether a family goes most of the way from chance to always right, and an edge farther than the middle."""
    limit, sure = (found.chance + share * (1 - found.chance) for share in (MOST_OF_THE_WAY, SURELY_OF_THE_WAY))
    if shortcut.family in EDGES and (found.are_tiny or shortcut.accuracy <= found.middle.accuracy):
        return False
    return shortcut.accuracy >= limit and shortcut.interval.low >= sure


def _clear_classes(shortcut: Shortcut, found: Shortcuts) -> tuple[ClassSeparation, ...]:
    """The classes that a family clearly tells from the others, an edge more clearly than the middle does."""
    if shortcut.family in EDGES and found.are_tiny:
        return ()
    most, sure = LIMITS_IN_DETAIL if shortcut.family == "detail" else LIMITS
    middle = {one.name: one.told if shortcut.family in EDGES else 0.0 for one in found.middle.classes}
    return tuple(
        one for one in shortcut.classes if one.told >= most and one.low >= sure and one.told > middle[one.name]
    )


def _finding(what: str, told: ClassSeparation, paths: Sequence[str]) -> Finding:
    sentence = f"{what}: the model may learn this instead of what the images show"
    return Finding("shortcut", "warning", sentence, tuple((paths[row],) for row in told.examples))


def _about_all(found: Shortcuts, families: Sequence[Shortcut]) -> str:
    """Which families tell the classes apart, the most accurate first."""
    best, *others = families
    what = " and ".join(map(escape_path, found.classes)) if len(found.classes) == 2 else "the classes"
    more = "".join(f", {one.what} in {percent(one.accuracy)}" for one in others)
    return (
        f"{_subject(best)} can tell {what} apart in {percent(best.accuracy)} of images{more} "
        f"(chance: {percent(found.chance)})"
    )


def _about_some(found: Shortcuts, told: Sequence[tuple[Shortcut, ClassSeparation]]) -> str:
    """Which families separate which class from the others, the clearest first."""
    one, best = told[0]
    others = [escape_path(name) for name in found.classes if name != best.name]
    rest = others[0] if len(others) == 1 else "the other classes"
    likewise = [other.what for other, same in told[1:] if same.name == best.name]
    more = len({other.name for _, other in told} - {best.name})
    return (
        f"{_subject(one)} can tell {escape_path(best.name)} from "
        f"{'images without it' if found.outputs == SIGMOID else rest}: recall "
        f"{percent(best.found)}, false alarms {percent(best.taken)}"
        + (f"; so can {', '.join(likewise)}" if likewise else "")
        + (f"; the same holds for {count_of(more, 'other class')}" if more and len(others) > 1 else "")
    )


def _subject(one: Shortcut) -> str:
    return one.what if one.family == "together" else f"{one.what} alone"


def describe_surface(records: Sequence[ImageRecord], prints: Fingerprints) -> dict[str, Floats]:
    """The numbers of each family, (images, numbers) float.

    Returns:
        By the names of `WORDS`, without `together`: `file` (bytes, bytes for each pixel, ending of the name),
        `dimensions` (height, width, shape), `corners` (an eighth of the side: grey mean, spread and two
        colour differences of each), `border` (4 % of the side: grey mean and spread, colours of each side),
        `colour` (mean grey, two mean colour differences, darkest and brightest grey).
    """
    grey, colour = prints.grey.astype(np.float32), prints.colour.astype(np.float32)
    return {
        "file": _of_file(records),
        "dimensions": _of_dimensions(records),
        "corners": _of_corners(grey, colour),
        "border": _of_border(grey, colour),
        "colour": _of_colour(prints, grey, colour),
    }


def _of_file(records: Sequence[ImageRecord]) -> Floats:
    sizes = np.array([record.byte_count for record in records], dtype=np.float64)
    pixels = np.array([record.size[0] * record.size[1] for record in records], dtype=np.float64)
    endings = [posixpath.splitext(record.path)[1].casefold() for record in records]
    kinds = np.unique(endings, return_inverse=True)[1].astype(np.float64)
    return np.stack([sizes, sizes / np.maximum(pixels, 1.0), kinds], axis=1)


def _of_dimensions(records: Sequence[ImageRecord]) -> Floats:
    sizes = np.array([record.size for record in records], dtype=np.float64).reshape(-1, 2)
    return np.column_stack([sizes, sizes[:, 1] / np.maximum(sizes[:, 0], 1.0)])


def _of_corners(grey: Floats, colour: Floats) -> Floats:
    ends = (slice(None, CORNER), slice(-CORNER, None))
    patches = [_flat(grey[:, rows, columns]) for rows, columns in product(ends, ends)]
    shades = [summary(patch, axis=1) for patch in patches for summary in (np.mean, np.std)]
    tints = [colour[:, plane, row, column] for plane, row, column in product((0, 1), (0, -1), (0, -1))]
    return np.stack([*shades, *tints], axis=1)


def _of_border(grey: Floats, colour: Floats) -> Floats:
    sides = [grey[:, :RIM], grey[:, -RIM:], grey[:, :, :RIM], grey[:, :, -RIM:]]
    shades = [summary(_flat(side), axis=1) for side in sides for summary in (np.mean, np.std)]
    edges = [colour[:, :, 0], colour[:, :, -1], colour[:, :, :, 0], colour[:, :, :, -1]]
    tints = [edge[:, plane].mean(axis=1) for edge in edges for plane in (0, 1)]
    return np.stack([*shades, *tints], axis=1)


def corner_detail(prints: Fingerprints) -> Floats:
    """What differs from its surroundings in the corners, pixel by pixel: where a logo or a date would stand.

    Returns:
        (images, 144) float: four corners of an eighth of the side, 6 x 6 pixels each.
    """
    padded = np.pad(prints.grey, ((0, 0), (2, 2), (2, 2)), mode="edge")
    ends = (slice(None, CORNER + 4), slice(-CORNER - 4, None))
    return np.concatenate([_detail(padded[:, rows, columns]) for rows, columns in product(ends, ends)], axis=1)


def middle_detail(prints: Fingerprints) -> Floats:
    """The same of the middle, as many numbers: what a plain look at the image itself tells.

    Returns:
        (images, 144) float: the middle half of the side, 12 x 12 pixels.
    """
    halved = prints.grey.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4), dtype=np.float32)
    edge = (SIDE // 2 - 2 * CORNER) // 2 - 2
    return _detail(halved[:, edge:-edge, edge:-edge])


def _detail(block: NDArray[np.generic]) -> NDArray[np.float32]:
    """Grey levels above the mean of the 5 x 5 pixels around, cut at ± 32, of all but the two outermost pixels; flat."""
    grey = block.astype(np.float32)
    inner = grey[:, 2:-2, 2:-2]
    side = inner.shape[1]
    around = np.zeros_like(inner)
    for down, right in product(range(5), range(5)):
        around += grey[:, down : down + side, right : right + side]
    fine: NDArray[np.float32] = np.clip(inner - around / 25, -MOST_DETAIL, MOST_DETAIL)
    return fine.reshape(len(fine), -1)


def _of_colour(prints: Fingerprints, grey: Floats, colour: Floats) -> Floats:
    darkest, brightest = np.percentile(_flat(grey), (DARKEST, BRIGHTEST), axis=1)
    return np.column_stack([prints.brightness, colour.mean(axis=(2, 3)), darkest, brightest])


def _flat(pixels: Floats) -> Floats:
    return pixels.reshape(len(pixels), -1)
