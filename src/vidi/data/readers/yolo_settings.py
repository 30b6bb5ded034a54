"""The YAML files of YOLO data sets: class names, and which folder is which part.

They use a small corner of YAML: `key: value` lines, lists and one level of mappings, in lines or in brackets. Only
this corner is read, so that no YAML package with its tags and anchors comes near a user's data.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vidi.errors import DataError
from vidi.files import escape_path

_PARTS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
_KEY = re.compile(r"""(?P<key>"[^"]*"|'[^']*'|[^\s:#'"\[{][^:#]*?)\s*:(?:\s+(?P<value>.*))?$""")
Value = str | list[str] | dict[str, str]


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
        DataError: the class names are written in a way that is not read.
    """
    values = read_simple_yaml(data.decode("utf-8-sig", "replace"))
    names = values.get("names")
    if names is None:
        return None
    if isinstance(names, list):
        listed = tuple(names)
    elif isinstance(names, dict) and all(key.isdecimal() for key in names):
        numbered = {int(key): name for key, name in names.items()}
        listed = tuple(numbered.get(number, str(number)) for number in range(min(max(numbered) + 1, 100_000)))
    else:
        listed = ()
    if not listed:
        raise DataError(
            f"{escape_path(path)}: its `names` are neither a list nor numbered",
            "Write them as `names: [cat, dog]`, or give them with `--names 0=cat,1=dog`.",
        )
    return YoloSettings(listed, _folders(values, posixpath.dirname(path)))


def _folders(values: Mapping[str, Value], base: str) -> dict[str, str]:
    """The part of each folder that the file names; those outside the source name nothing."""
    found = {}
    root = values.get("path", "")
    for key, part in _PARTS.items():
        named = values.get(key, [])
        for folder in [named] if isinstance(named, str) else named:
            for parent in (posixpath.join(base, root if isinstance(root, str) else ""), base):
                place = posixpath.normpath(posixpath.join(parent, folder))
                if not place.startswith(("/", "..")):
                    found[place] = part
    return found


def read_simple_yaml(text: str) -> dict[str, Value]:
    """The top-level keys of a simple YAML file; what is not simple is left out.

    >>> read_simple_yaml("train: images/train\\nnames:\\n  0: cat\\n  1: 'big dog'  # two words")
    {'train': 'images/train', 'names': {'0': 'cat', '1': 'big dog'}}
    >>> read_simple_yaml("names: [cat, dog]")
    {'names': ['cat', 'dog']}
    """
    values: dict[str, Value] = {}
    key = ""
    for line in _joined_lines(text):
        word = line.strip()
        match = _KEY.match(word)
        if word.startswith("- ") and key:
            current = values.get(key)
            values[key] = [*(current if isinstance(current, list) else []), _plain(word[2:])]
        elif match and line[0] in " \t" and key:
            current = values.get(key)
            pair = {_plain(match["key"]): _plain(match["value"] or "")}
            values[key] = {**(current if isinstance(current, dict) else {}), **pair}
        elif match:
            key = _plain(match["key"])
            if match["value"]:
                values[key] = _value(match["value"])
    return values


def _joined_lines(text: str) -> Iterator[str]:
    """Lines without comments; one that opens a bracket goes on until it is closed."""
    waiting = ""
    for line in text.splitlines():
        waiting += (" " if waiting else "") + re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if waiting.count("[") + waiting.count("{") > waiting.count("]") + waiting.count("}"):
            continue
        if waiting.strip():
            yield waiting
        waiting = ""
    if waiting.strip():
        yield waiting


def _value(text: str) -> Value:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_plain(word) for word in _split(text[1:-1])]
    if text.startswith("{") and text.endswith("}"):
        pairs = [word.partition(":") for word in _split(text[1:-1])]
        return {_plain(key): _plain(value) for key, _, value in pairs}
    return _plain(text)


def _split(text: str) -> list[str]:
    """Cut at commas outside of quotes."""
    return [word for word in re.findall(r"""(?:"[^"]*"|'[^']*'|[^,'"])+""", text) if word.strip()]


def _plain(text: str) -> str:
    """A word without its quotes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]
    return text
