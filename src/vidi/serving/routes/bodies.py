"""The images of a request: from a raw body, a form or a JSON document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from vidi.serving.asked import Images
from vidi.serving.json_body import read_json
from vidi.serving.problems import Problem

FIELD = "image"  # of a form
LEAST_REMEDY = 'Send image/*, a form with fields called `image`, or JSON: {"images": [base64, …]}.'
MOST_PARTS_BESIDE = 16  # fields of a form beside its images
MOST_PART_HEADERS = 8_192  # bytes
ACCEPTED = "image/*, application/octet-stream, multipart/form-data, application/json"
Row: TypeAlias = dict[str, object]  # one image's
Document: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class SentImage:
    """One encoded image of a request."""

    name: str  # what the answer calls it: the form's file name, or its number
    data: bytes


def read_images(body: bytes, content_type: str, *, most: int) -> list[SentImage]:
    """The images in a request's body.

    Args:
        body: all of it.
        content_type: the request's header.
        most: images that one request may hold.

    Raises:
        Problem: the type is not one that is read, the body is not what its type says, or it holds no or too many
            images.
    """
    kind, options = parse_options_header(content_type)
    media_type = kind.decode("latin-1").lower()
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        images = [SentImage("image-1", body)] if body else []
    elif media_type == "multipart/form-data":
        images = _from_form(body, options, most=most)
    elif media_type == "application/json":
        images = _from_json(body, most=most)
    else:
        what = f"The type {media_type[:60]!r} is" if media_type else "A body without a Content-Type is"
        raise Problem("unsupported-media-type", f"{what} not read.", LEAST_REMEDY, headers={"Accept-Post": ACCEPTED})
    if not images:
        raise Problem("invalid-input", "The request holds no image.", LEAST_REMEDY)
    return images


def _from_json(body: bytes, *, most: int) -> list[SentImage]:
    sent = read_json(body, Images).images
    _check_count(len(sent), most)
    return [SentImage(f"image-{number}", data) for number, data in enumerate(sent, start=1)]


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise Problem("invalid-input", f"The request holds {count} images; at most {most} are taken.", "Send fewer.")


@dataclass(slots=True)
class _FormPart:
    """What is known of the part of a form that is being read."""

    headers: dict[str, bytes] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    header_bytes: int = 0
    content: list[bytes] = field(default_factory=list)


class _Form:
    """The images of a form, collected while its parser calls."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.images: list[SentImage] = []
        self._parts = 0
        self._part = _FormPart()
        self.is_whole = False

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._value,
            "on_header_end": self._end_header,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._whole,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self.most + MOST_PARTS_BESIDE:
            raise Problem("invalid-input", f"The form has more than {self._parts - 1} parts.", "Send fewer.")
        self._part = _FormPart()

    def _count(self, start: int, end: int) -> None:
        self._part.header_bytes += end - start
        if self._part.header_bytes > MOST_PART_HEADERS:
            raise Problem("bad-request", "The headers of a part of the form are too large.")

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._count(start, end)
        self._part.name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._count(start, end)
        self._part.value += data[start:end]

    def _end_header(self) -> None:
        part = self._part
        part.headers[part.name.decode("latin-1").lower()] = part.value
        part.name = part.value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._part.content.append(data[start:end])

    def _end(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", b""))
        if options.get(b"name") != FIELD.encode():
            return
        _check_count(len(self.images) + 1, self.most)
        name = options.get(b"filename", b"").decode("utf-8", "replace") or f"image-{len(self.images) + 1}"
        self.images.append(SentImage(name, b"".join(self._part.content)))

    def _whole(self) -> None:
        self.is_whole = True


def _from_form(body: bytes, options: Mapping[bytes, bytes], *, most: int) -> list[SentImage]:
    boundary = options.get(b"boundary")
    if not boundary:
        raise Problem("bad-request", "The form's Content-Type states no boundary.")
    form = _Form(most)
    try:
        parser = python_multipart.MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem("bad-request", f"The form is not well made: {error}.") from error
    if not form.is_whole:
        raise Problem("bad-request", "The form ends before its last boundary.")
    return form.images
