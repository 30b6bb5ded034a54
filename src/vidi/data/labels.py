"""What people said of images, in a file that only grows: `labels.jsonl`. The data itself is never changed.

Each line is one act of one person, as JSON: `key`, `at` (seconds since 1970, UTC), `who`, `kind`, `labels` and `how`;
then `digest` and `path` of the image, or `images`, pairs of both, where many were labelled at once. A line that takes
an earlier one back has `undoes`, the key of that one, in their place. Of each person the last line about an image
counts, in the order of the file. A line of kind `copy` is about the file at its path alone: another copy of it stays.
What `forget` takes out of a line is blank, and the line has `forgotten`.

To write, as a page does (safe to use from threads, beside other processes):

    labels = LabelsFile(labels_beside(source))        # or a path that the user names
    labels.add([Opinion(key=new_key, digest=…, path=…, at=time.time(), source="ana", via="review", kind="exclude")])
    labels.undo(key, who="ana", at=time.time())       # takes back every image of that line
    labels.opinions()                                 # what counts now, in order; also what others have added
    labels.forget(digest)                             # the one thing that changes lines

`add` and `undo` return when the line is on the disk; only then may a page say "saved". Several opinions that are added
together are one line, and one undo: they differ in the image alone. To read, as a data set does:

    read = read_labels(path)                          # `read.answers` by digest, `read.digests` by path
    read_labels(path, state=read.state)               # the same later, but for images that are forgotten since
"""

import json
import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from vidi.data.project import IMAGES, LABELS, is_project
from vidi.errors import DataError, ResourceError, UsageError
from vidi.files import append_line, digest_of, digest_of_file, escape_path, try_lock, write_atomic

# It shows a class; none of the classes; it cannot be told; the image is to be left out; this file of it is.
Kind = Literal["label", "none", "unclear", "exclude", "copy"]
Via = Literal["server", "review"]  # a client of the server; a reviewer of the operator's own
How = Literal["one", "bulk", "suggested"]  # looked at alone; one of many; by taking what a model suggests
Answer = tuple[Kind, tuple[str, ...]]  # with the classes, in alphabetical order
ENDING = ".labels.jsonl"  # of the file beside a source
NO_LABELS = "none"  # in place of a file: none is read
LOOKED_AT = 20  # images of a folder, to see whether a labels file is about it
PATIENCE = 10.0  # seconds to wait while another process writes a line
_KINDS = frozenset(get_args(Kind))
_FORGOTTEN = (
    b'"forgotten":true'  # in a line, it can be nothing else: within a text, quotes are written with a backslash
)
# A line about one image as `add` writes it: key, time, what is said (of which there are few forms), digest and path.
_OF_ONE = re.compile(
    r'^\{"key":"([^"]*)","at":([^,]*),("who":"[^"]*","kind":"[^"]*","labels":\[[^\]]*\],"how":"[^"]*"),'
    r'"digest":"([^"]*)","path":"([^"]*)"\}\n',
    re.MULTILINE,
)
_OUTSIDE = re.compile(r"^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)")
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, RecursionError)  # of a line that is none of ours
_REMEDY = "Move it away, or name another: `--labels FILE`, or `--labels none`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One person's answer about one image."""

    key: str  # the same for each replay of one answer, and for all images that were answered at once
    digest: str  # SHA-256 of the image file's bytes, hex
    at: float  # seconds since 1970, UTC
    source: str  # who: a reviewer's name, or a client's short hash
    via: Via
    kind: Kind
    labels: tuple[str, ...] = ()  # classes, for the kind `label`
    path: str = ""  # of the image, below the root of its source; empty where it has none
    how: How = "one"

    @property
    def answer(self) -> Answer:
        """What it says, in one form.

        >>> Opinion(key="", digest="", at=0, source="ana", via="review", kind="label", labels=("b", "a")).answer
        ('label', ('a', 'b'))
        """
        return self.kind, tuple(sorted(set(self.labels)))


def agreed(answers: Sequence[Answer]) -> Answer | None:
    """The answer that more than half of the people give; None without one.

    >>> cat, dog = ("label", ("cat",)), ("label", ("dog",))
    >>> agreed([cat, dog, cat]), agreed([cat, dog])
    (('label', ('cat',)), None)
    """
    return next((one for one in dict.fromkeys(answers) if 2 * answers.count(one) > len(answers)), None)


def is_outside(path: str) -> bool:
    """Whether a path leads out of the root that it is relative to.

    >>> is_outside("../a.png"), is_outside("C:/a.png"), is_outside("a..b/c.png")
    (True, True, False)
    """
    return bool(_OUTSIDE.search(path))


def labels_beside(source: str | Path) -> Path:
    """The labels file of a folder, table or archive: beside it, under its name; of a project's own images in it.

    >>> labels_beside("data/photos.zip").name
    'photos.zip.labels.jsonl'
    """
    path = Path(os.path.abspath(source))
    if path.name == IMAGES and is_project(path.parent):
        return path.with_name(LABELS)
    return path.with_name(path.name + ENDING)


def find_labels(source: str | Path) -> Path:
    """The labels file of a source; of a folder that was renamed the one under its old name, where that is gone."""
    beside = labels_beside(source)
    if beside.exists() or not Path(source).is_dir():
        return beside
    for other in sorted(beside.parent.glob("*" + ENDING)):
        folder = other.with_name(other.name.removesuffix(ENDING))
        if not folder.exists() and _names_images_of(other, Path(source)):
            return other
    return beside


def _names_images_of(path: Path, folder: Path) -> bool:
    """Whether one of the first labelled images that a folder holds is the one that was labelled."""
    labelled = ((folder / name, digest) for name, digest in read_labels(path).digests.items() if name)
    here = islice(((file, digest) for file, digest in labelled if file.is_file()), LOOKED_AT)
    return any(digest_of_file(file) == digest for file, digest in here)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """What a labels file says at one moment."""

    path: Path
    state: str  # "BYTES:SHA256" of the lines that were read; what is appended later does not change them
    answers: Mapping[str, Answer | None]  # by digest; None: people disagree
    digests: Mapping[str, str]  # path → digest of the image that somebody saw there last
    copies: frozenset[tuple[str, str]] = frozenset()  # path and digest of files that are left out for a copy of them


def read_labels(path: Path, *, state: str | None = None) -> Labels:
    """Read a labels file; what a killed writer left of a last line is no line.

    Args:
        path: the file; none is the same as an empty one.
        state: of an earlier reading: what was appended since is left out.

    Raises:
        DataError: it is no labels file, a line names a path outside the data, or the lines of `state` have changed.
    """
    data = _whole_lines(_read_from(path, 0))
    if state is not None:
        count, _, digest = state.partition(":")
        data = data[: int(count)]
        if digest_of(data) != digest and (len(data) < int(count) or _FORGOTTEN not in data):
            raise DataError(
                f"{escape_path(path)} has changed: lines that were there before are gone or different",
                "Restore it, or begin a new run: what a run started with cannot be read again.",
            )
    undone = set[str]()
    by_person: dict[str, dict[str, Answer]] = defaultdict(dict)  # and digest
    digests: dict[str, str] = {}
    copies = set[tuple[str, str]]()
    for key, _, said, digest, name in _parse(data, path):
        if said.undoes is not None:
            undone.add(said.undoes)
        elif key not in undone:
            digests[name] = digest
            if said.answer[0] == "copy":
                copies.add((name, digest))
            else:
                by_person[said.who][digest] = said.answer
    return Labels(
        path=path,
        state=f"{len(data)}:{digest_of(data)}",
        answers=_agreed_by_image(list(by_person.values())),
        digests=digests,
        copies=frozenset(copies),
    )


def _agreed_by_image(said: Sequence[Mapping[str, Answer]]) -> Mapping[str, Answer | None]:
    """Digest → what people agree on, of what each of them says by digest."""
    if len(said) == 1:
        return said[0]
    answers = defaultdict[str, list[Answer]](list)
    for by_digest in said:
        for digest, answer in by_digest.items():
            answers[digest].append(answer)
    return {digest: agreed(of) for digest, of in answers.items()}


class LabelsFile:
    """A labels file that is written to; several processes may do so, a line at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] = (0, 0)  # number of the file, bytes of it that were read
        self._opinions: list[Opinion] = []
        self._undone: set[str] = set()  # keys
        self._keys: set[str] = set()  # of all lines

    def opinions(self) -> list[Opinion]:
        """What was said and not taken back, in the order of the file.

        Raises:
            DataError: it is no labels file.
        """
        with self._lock:
            self._catch_up()
            return [one for one in self._opinions if one.key not in self._undone]

    def require_writable(self) -> None:
        """Raise now what `add` would raise later."""
        with self._held():
            self._catch_up()

    def add(self, opinions: Sequence[Opinion]) -> None:
        """Keep an answer about one image or many, as one line; one whose key is there already is no other one.

        Args:
            opinions: of one person at one time; they differ in `digest` and `path` alone.

        Raises:
            UsageError: a path leads outside the root of the data.
            DataError: the file is no labels file.
            ResourceError: it cannot be written; what it held is whole.
        """
        for one in opinions:
            if is_outside(one.path):
                raise UsageError(f"{escape_path(one.path)} is outside the data", "Label images below its root alone.")
        first = opinions[0]
        images = [(one.digest, one.path) for one in opinions]
        about = {"images": images} if len(images) > 1 else {"digest": first.digest, "path": first.path}
        said = {"kind": first.kind, "labels": first.labels, "how": first.how}
        self._append({"key": first.key, "at": round(first.at, 3), "who": first.source, **said, **about})

    def undo(self, key: str, *, who: str, at: float) -> None:
        """Take an answer back, about all images that it names; raises as `add`."""
        self._append({"key": f"undo-{key}", "at": round(at, 3), "who": who, "undoes": key})

    def forget(self, digest: str) -> int:
        """Blank an image in every line, and give the number of lines that named it; raises as `add`.

        Lines keep their length, so that earlier states can still be read, without the image.
        """
        with self._held():
            self._catch_up()
            lines = _whole_lines(_read_from(self.path, 0)).splitlines(keepends=True)
            kept = [_without(line, digest) if digest.encode() in line else line for line in lines]
            if kept != lines:
                write_atomic(self.path, b"".join(kept))
            return sum(new != old for new, old in zip(kept, lines, strict=True))

    def _append(self, row: dict[str, Any]) -> None:
        with self._held():
            self._catch_up()
            if row["key"] not in self._keys:
                append_line(self.path, _line(row))

    @contextmanager
    def _held(self) -> Iterator[None]:
        lock_path = self.path.with_name(f".{self.path.name}.lock")
        with self._lock:
            try:
                held = try_lock(lock_path, seconds=PATIENCE)
                if held is None:
                    raise ResourceError(f"{escape_path(self.path)} is held by another process", "End it, or try again.")
                try:
                    yield
                finally:
                    with suppress(OSError):  # where a file that is open stays, it is left
                        lock_path.unlink()  # whoever waits for it notices, and makes a new one
                    held.release()
            except ResourceError as error:
                remedy = error.remedy.replace("--output", "--labels FILE")
                raise ResourceError(error.cause, remedy) from error.__cause__

    def _catch_up(self) -> None:
        """Read what was appended since; all of it where the file is another one."""
        try:
            status = self.path.stat()
            number, size = status.st_ino, status.st_size
        except (FileNotFoundError, NotADirectoryError):
            number = size = 0
        if number != self._seen[0] or size < self._seen[1]:
            self._seen, self._opinions, self._undone, self._keys = (number, 0), [], set(), set()
        if size > self._seen[1]:
            data = _whole_lines(_read_from(self.path, self._seen[1]))
            rows = list(_parse(data, self.path))
            self._opinions.extend(_opinions(rows))
            self._undone.update(said.undoes for _, _, said, _, _ in rows if said.undoes is not None)
            self._keys.update(key for key, *_ in rows)
            self._seen = number, self._seen[1] + len(data)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":")) + "\n"


def _read_from(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DataError(f"{escape_path(path)} cannot be read: {error.strerror}", _REMEDY) from error


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a line says, whichever image it is about."""

    who: str
    answer: Answer
    labels: tuple[str, ...]
    how: How
    undoes: str | None  # key of an earlier line; then the rest is empty


_Row = tuple[str, float, _Said, str, str]  # key, time, what is said, digest and path of one image


def _parse(data: bytes, path: Path) -> Iterator[_Row]:
    """A row for each image of each line, in order, after those that take others back."""
    try:
        yield from _rows(data.decode())
    except _FAULTS as error:
        raise DataError(f"{escape_path(path)} is not a file of labels: {_first_fault(data, error)}", _REMEDY) from error


def _rows(text: str) -> Iterator[_Row]:
    """Lines as `add` writes them are read by one expression, which takes half the time of `json`."""
    said_by = dict[str, _Said]()
    first, *fields = _OF_ONE.split(text)  # five of each such line, and all lines between it and the next
    others = [tuple(_in_any_form(lines)) if lines else () for lines in (first, *fields[5::6])]
    yield from (row for rows in others for row in rows if row[2].undoes is not None)
    yield from others[0]
    for key, at, words, digest, name, after in zip(*(fields[start::6] for start in range(5)), others[1:], strict=True):
        said = said_by.get(words) or said_by.setdefault(words, _said(json.loads(f"{{{words}}}")))
        yield key, float(at), said, digest, _inside(json.loads(f'"{name}"') if "\\" in name else name)
        if after:
            yield from after


def _in_any_form(lines: str) -> Iterator[_Row]:
    """The rows of whole lines; one of `_FAULTS` where one is none of ours."""
    for line in lines.split("\n")[:-1]:
        row = json.loads(line)
        if "forgotten" in row and "key" not in row:
            continue
        said = _said(row)
        for digest, name in _images(row) if said.undoes is None else [("", "")]:
            yield row["key"], row["at"], said, digest, _inside(name)


def _said(row: Mapping[str, Any]) -> _Said:
    if "undoes" in row:
        return _Said(row["who"], ("label", ()), (), "one", row["undoes"])
    if row["kind"] not in _KINDS or type(row["labels"]) is not list:
        raise ValueError(f"the kind {row['kind']!r} with the labels {row['labels']!r}")
    answer = row["kind"], tuple(sorted(set(row["labels"])))
    return _Said(row["who"], answer, tuple(row["labels"]), row["how"], None)


def _inside(name: str) -> str:
    """The path, which leads nowhere out of the data; `ValueError` where it does."""
    if (".." in name or name[:1] in "/\\" or name[1:2] == ":") and is_outside(name):
        raise ValueError(f"the path {escape_path(name)} leads outside the data")
    return name


def _first_fault(data: bytes, error: Exception) -> str:
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            list(_in_any_form(f"{line.decode()}\n"))
        except _FAULTS as fault:
            return f"line {number}: {type(fault).__name__}: {str(fault)[:200]}"
    return str(error)[:200]


def _images(row: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """(digest, path) of each image that a line names."""
    return row["images"] if "images" in row else ((row["digest"], row["path"]),)


def _without(line: bytes, digest: str) -> bytes:
    """A line as long as before that does not name an image."""
    row = json.loads(line)
    images = [] if "undoes" in row else _images(row)
    left = [pair for pair in images if pair[0] != digest]
    if len(left) == len(images):
        return line
    said = {name: row[name] for name in row if name not in ("digest", "path")}
    new = {**said, "images": left, "forgotten": True} if left else {"forgotten": True}
    return _line(new).encode().rstrip().ljust(len(line) - 1) + b"\n"


def _opinions(rows: Iterable[_Row]) -> Iterator[Opinion]:
    for key, at, said, digest, path in rows:
        if said.undoes is None:
            yield Opinion(
                key=key,
                digest=digest,
                path=path,
                at=at,
                source=said.who,
                via="review",
                kind=said.answer[0],
                labels=said.labels,
                how=said.how,
            )
