"""Where the bytes of images come from: a name goes in, the bytes of an encoded file come out."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from vidi.errors import ImageError
from vidi.files import digest_of
from vidi.images.limits import Limits


class ImageStore(Protocol):
    """A folder, an archive or a record file. Can be pickled, so that worker processes can read from it."""

    def read(self, path: str) -> bytes:
        """The bytes of one encoded image file.

        Raises:
            ImageError: the file cannot be read (`not-a-file`, `link-outside`, `unreadable`, `too-large`).
        """
        ...


@runtime_checkable
class StampedStore(ImageStore, Protocol):
    """A store that tells, without reading a file, whether it may have changed."""

    def stamp(self, path: str) -> str:
        """Text that changes with a file's size or time; empty where nothing is known of it."""
        ...


@dataclass(frozen=True, slots=True)
class FolderStore:
    """The image files of one folder, read by relative path; a path that leads out is refused before it is opened."""

    root: Path
    allow_outside: bool = False  # links that lead out, and `..` and absolute paths, as a table may name them
    file_bytes: int = Limits().file_bytes
    real_root: str = field(init=False, repr=False)  # asked once: it costs as much as reading a small file

    def __post_init__(self) -> None:
        object.__setattr__(self, "real_root", os.path.realpath(self.root))

    def read(self, path: str) -> bytes:
        """The bytes of one file.

        Raises:
            ImageError: `not-a-file`, `link-outside`, `unreadable`, or `too-much-memory` for an oversize file.
        """
        full = os.path.join(self.root, path)
        if not self.allow_outside and (os.path.isabs(path) or ".." in path.replace("\\", "/").split("/")):
            raise link_outside()
        try:
            status = os.stat(full)
            if not stat.S_ISREG(status.st_mode):  # known before opening, which could wait for ever
                raise not_a_file(status.st_mode)
            if not (self.allow_outside or self._is_inside(full)):
                raise link_outside()
            return self._read_regular(full)
        except OSError as error:
            raise unreadable(error) from error
        except ValueError as error:  # a zero byte in the path
            raise unreadable(OSError(errno.EINVAL, "the name is not one that the system allows")) from error

    def stamp(self, path: str) -> str:
        """The size and time of one file."""
        return stamp_of_file(os.path.join(self.root, path))

    def _is_inside(self, full: str) -> bool:
        return is_within(os.path.realpath(full), self.real_root)

    def _read_regular(self, full: str) -> bytes:
        with open(full, "rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            if status.st_size > self.file_bytes:
                raise file_too_large(status.st_size, self.file_bytes)
            return stream.read()


class GivenFilesStore:
    """Files that were named one by one; a link that the user names is followed."""

    def read(self, path: str) -> bytes:
        """The bytes of one named file."""
        return FolderStore(Path(path).parent, True).read(os.path.basename(path))

    def stamp(self, path: str) -> str:
        """The size and time of one named file."""
        return stamp_of_file(path)


class PrefixedStore:
    """A folder or archive whose paths begin with what the user called it."""

    def __init__(self, prefix: str, inner: ImageStore) -> None:
        self.prefix, self.inner = prefix, inner

    def read(self, path: str) -> bytes:
        """The bytes of one file below the prefix."""
        return self.inner.read(path.removeprefix(self.prefix))

    def stamp(self, path: str) -> str:
        """What the inner store knows of one file."""
        return stamp_within(self.inner, path.removeprefix(self.prefix))


class BytesStore:
    """Encoded images that are already in memory, by name."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents

    def read(self, path: str) -> bytes:
        """The bytes under one name."""
        return self.contents[path]

    def stamp(self, path: str) -> str:
        """The digest of the bytes under one name."""
        return digest_of(self.contents[path])


def stamp_of_file(path: str | os.PathLike[str]) -> str:
    """The size and time of a file of this computer, as `StampedStore.stamp` gives them."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # it is gone, or its name is none
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


def stamp_within(store: ImageStore, path: str) -> str:
    """The stamp of a file of any store; empty where the store gives none."""
    return store.stamp(path) if isinstance(store, StampedStore) else ""


def file_too_large(byte_count: int, most: int) -> ImageError:
    """The refusal of a file over the limit of bytes."""
    return ImageError(
        "too-much-memory",
        f"The file has {byte_count:,} bytes; {most:,} are the most.",
        "Save it smaller, or raise `Limits.file_bytes`.",
    )


def not_a_file(mode: int) -> ImageError:
    """The refusal of what is not a regular file, naming what it is."""
    names: Iterator[str] = (
        name
        for test, name in (
            (stat.S_ISDIR, "a folder"),
            (stat.S_ISFIFO, "a named pipe"),
            (stat.S_ISSOCK, "a socket"),
            (stat.S_ISCHR, "a device"),
            (stat.S_ISBLK, "a device"),
        )
        if test(mode)
    )
    return ImageError("not-a-file", f"It is {next(names, 'no regular file')}.", "Name a regular file.")


def link_outside() -> ImageError:
    """The refusal of a path that leads out of the data folder."""
    return ImageError(
        "link-outside",
        "It leads out of the data folder.",
        "Copy the file in; `vidi predict` and the verbs that read a data set follow it with `--allow-outside`.",
    )


def unreadable(error: OSError) -> ImageError:
    """The refusal of a path that cannot be read."""
    return ImageError(
        "unreadable",
        "It does not exist."
        if isinstance(error, FileNotFoundError)
        else f"The system does not let it be read: {error.strerror or error}.",
        "Check the path; where it is a link, repair it."
        if isinstance(error, FileNotFoundError)
        else "Change its permissions, or leave it out.",
    )


def is_within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it; both are real paths."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
