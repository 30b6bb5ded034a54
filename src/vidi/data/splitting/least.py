"""The fewest images that a classifier can be learned from: two classes with two independent images each."""

from collections import Counter
from collections.abc import Mapping, Sequence

from vidi.data.checked import CheckResult
from vidi.data.dataset import Dataset
from vidi.groups import join_links, links_of_equal

LEAST_CLASSES, LEAST_IMAGES = 2, 2  # of a class one is learned from and one tests


def independent_sizes(dataset: Dataset, check: CheckResult, is_used: Sequence[bool]) -> dict[str, int]:
    """The number of independent images of each class: copies and images of one group count as one.

    Args:
        dataset: images with their classes.
        check: which of them are copies.
        is_used: (images,) whether each image counts at all.
    """
    own = links_of_equal(image.group for image in dataset.images)
    links = [*own, *check.exact_links, *check.capture_links, *check.near_links]
    group_of = join_links(len(dataset.images), [(a, b) for a, b in links if is_used[a] and is_used[b]]).tolist()
    units = {
        (label, group, image.part)  # in a split that the user made, the two sides are taken as named
        for image, group, is_counted in zip(dataset.images, group_of, is_used, strict=True)
        for label in image.labels
        if is_counted
    }
    counts = Counter(label for label, _, _ in units)
    return {name: counts[label] for label, name in enumerate(dataset.classes)}


def is_learnable(sizes: Mapping[str, int]) -> bool:
    """Whether these numbers of images suffice.

    >>> is_learnable({"cat": 2, "dog": 2}), is_learnable({"cat": 900, "dog": 1})
    (True, False)
    """
    return sum(size >= LEAST_IMAGES for size in sizes.values()) >= LEAST_CLASSES
