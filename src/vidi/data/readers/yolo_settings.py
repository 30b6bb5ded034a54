"""The YAML files of YOLO data sets: class names, and which folder is which part."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from vidi.errors import DataError
from vidi.files import escape_path

MOST_CLASSES = 100_000
_PARTS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class YoloSettings:
    """What a data set's YAML file says."""

    names: tuple[str, ...]  # by class number
    folders: Mapping[str, str]  # the part of each folder of images, from the source's root

    def part_of(self, path: str) -> str | None:
        """The part of the longest folder that holds the image."""
        inside = [folder for folder in self.folders if f"/{path}".startswith(f"/{folder}/".replace("//", "/"))]
        return self.folders[max(inside, key=len)] if inside else None


def read_settings(data: bytes, path: str) -> YoloSettings | None:
    """The settings in a YAML file; None where it names no classes.

    Raises:
        DataError: it is not YAML, or the class names are written in a way that is not read.
    """
    from vidi.data.readers.yaml_text import read_yaml

    values = read_yaml(data, path)
    if values is None or "names" not in values:
        return None
    listed = _listed(values["names"])
    if not listed:
        raise DataError(
            f"{escape_path(path)}: its `names` are neither a list nor numbered",
            "Write them as `names: [cat, dog]`, or give them with `--names 0=cat,1=dog`.",
        )
    return YoloSettings(listed, _folders(values, posixpath.dirname(path)))


def _listed(names: object) -> tuple[str, ...]:
    """The class names by number; none where they are something else than text."""
    if isinstance(names, list):
        return tuple(names) if all(isinstance(name, str) for name in names) else ()
    if not isinstance(names, dict) or not names or not all(isinstance(key, str) and key.isdecimal() for key in names):
        return ()
    numbered = {int(key): name for key, name in names.items() if isinstance(name, str)}
    if len(numbered) < len(names):
        return ()
    return tuple(numbered.get(number, str(number)) for number in range(min(max(numbered) + 1, MOST_CLASSES)))


def _folders(values: Mapping[str, object], base: str) -> dict[str, str]:
    """The part of each folder that the file names; those outside the source name nothing."""
    found = {}
    root = values.get("path", "")
    for key, part in _PARTS.items():
        named = values.get(key)
        for folder in named if isinstance(named, list) else [named]:
            if not isinstance(folder, str):
                continue
            for parent in (posixpath.join(base, root if isinstance(root, str) else ""), base):
                place = posixpath.normpath(posixpath.join(parent, folder))
                if not place.startswith(("/", "..")):
                    found[place] = part
    return found
