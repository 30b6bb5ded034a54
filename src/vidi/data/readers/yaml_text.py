"""YAML as plain text: mappings, lists and words, with no tag, number or date read into them. Imported when needed."""

import re
from collections.abc import Mapping

import yaml

from vidi.errors import DataError
from vidi.files import escape_path

MOST_BYTES = 1 << 20  # 20,000 class names take half of it
_NAMES_CLASSES = re.compile(r"^names\s*:", re.MULTILINE)


def read_yaml(data: bytes, path: str) -> Mapping[str, object] | None:
    """The top-level keys of a YAML file; None where it is something else than a mapping.

    Every value is text, a list or a mapping: a class called `no` stays `no`, and `!!python/…` makes nothing.

    Args:
        data: the file's bytes.
        path: its name, for the message.

    Raises:
        DataError: it names classes, but is too large or not YAML.
    """
    text = data[: MOST_BYTES + 1].decode("utf-8-sig", "replace")
    if not _NAMES_CLASSES.search(text):
        return None
    if len(data) > MOST_BYTES:
        raise DataError(
            f"{escape_path(path)} has {len(data):,} bytes; a list of class names has at most {MOST_BYTES:,}",
            "Write the names into a smaller file, or give them with `--names 0=cat,1=dog`.",
        )
    try:
        # The base loader does less than the safe one: no merging of keys, which some lines can make endless.
        values = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(
            f"{escape_path(path)}{_line(error)} is not YAML: {getattr(error, 'problem', None) or 'nested too deeply'}",
            "Correct it, or give the class names with `--names 0=cat,1=dog`.",
        ) from error
    return values if isinstance(values, dict) else None


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f", line {mark.line + 1},"
