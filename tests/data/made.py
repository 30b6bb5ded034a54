"""Data sets and check outcomes made in memory, for tests of the split."""

from collections.abc import Mapping, Sequence

from vidi.data.checked import DataCheck, ImageRecord, NearDuplicate
from vidi.data.dataset import Dataset, LabelledImage
from vidi.files import digest_of
from vidi.images.account import Account, Entry


class NoStore:
    """A store that holds nothing."""

    def read(self, path: str) -> bytes:
        raise AssertionError(path)


def made_dataset(
    labels: Sequence[int], *, groups: Mapping[int, str] | None = None, parts: Sequence[str] | None = None
) -> Dataset:
    """Images `0.png`, `1.png` … with these labels, groups and parts; nothing behind them."""
    classes = tuple(f"class-{label}" for label in range(max(labels, default=0) + 1))
    images = tuple(
        LabelledImage(
            f"{index}.png",
            frozenset({label}),
            group=(groups or {}).get(index),
            part=parts[index] if parts is not None else None,
        )
        for index, label in enumerate(labels)
    )
    return Dataset("made", "made", "class-folders", classes, images, NoStore())


def made_check(
    dataset: Dataset,
    *,
    near: Sequence[tuple[int, int]] = (),
    same: Sequence[tuple[int, int]] = (),
    refused: Sequence[int] = (),
    conflicting: Sequence[int] = (),
) -> DataCheck:
    """A check in which each image is a file of its own, but for those that are the `same` as another."""
    names = [image.path for image in dataset.images]
    for first, second in same:
        names[second] = names[first]
    records = tuple(
        ImageRecord(
            image.path,
            None if index in refused else digest_of(names[index].encode()),
            refusal=Entry(image.path, "broken", "It is broken.") if index in refused else None,
        )
        for index, image in enumerate(dataset.images)
    )
    return DataCheck(
        records=records,
        near_duplicates=tuple(NearDuplicate(first, second, 0.01, same_frame=True) for first, second in near),
        findings=(),
        account=Account(used=len(records) - len(refused)),
        conflicting=frozenset(conflicting),
    )
