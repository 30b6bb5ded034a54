"""What goes wrong in a request, as RFC 9457 tells it: a status, a stable code, a sentence and a remedy."""

from collections.abc import Mapping
from dataclasses import dataclass

from vidi.model_file.values import Json

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem; its code is stable."""

    status: int  # of HTTP
    title: str


PROBLEMS: Mapping[str, Kind] = {
    "bad-request": Kind(400, "The request is not well formed."),
    "unauthorized": Kind(401, "The access token is missing or wrong."),
    "origin-refused": Kind(403, "The page that sent the request is of an origin that is not allowed."),
    "not-found": Kind(404, "Nothing is served at this path."),
    "no-such-model": Kind(404, "No model of this name or version is served."),
    "method-not-allowed": Kind(405, "The path does not take this method."),
    "too-slow-request": Kind(408, "The request came too slowly."),
    "conflict": Kind(409, "The key was used for something else."),
    "body-too-large": Kind(413, "The body is larger than the limit."),
    "unsupported-media-type": Kind(415, "The body is of a type or coding that is not read."),
    "host-refused": Kind(421, "The request names a host that this server does not answer for."),
    "unusable-image": Kind(422, "The image cannot be used."),
    "invalid-input": Kind(422, "The request is well formed, but a value in it cannot be used."),
    "too-many": Kind(429, "The client sends more than it may."),
    "headers-too-large": Kind(431, "The headers are larger than the limit."),
    "internal-error": Kind(500, "The server failed. This is a bug."),
    "not-implemented": Kind(501, "The server does not offer this."),
    "busy": Kind(503, "The server has as many requests as it can answer."),
    "log-unavailable": Kind(503, "The prediction log cannot be written now."),
    "not-ready": Kind(503, "A model or a worker does not stand yet, or the server is stopping."),
    "too-slow-answer": Kind(504, "The answer took longer than the limit."),
    "log-full": Kind(507, "The prediction log has no room left."),
    "disk-full": Kind(507, "The disk has no room left."),
}


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that is refused."""

    def __init__(
        self,
        code: str,
        cause: str,
        remedy: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Json] | None = None,
    ) -> None:
        super().__init__(code, cause, remedy)
        self.code, self.cause, self.remedy = code, cause, remedy
        self.headers = dict(headers or {})  # further headers of the response, such as `Retry-After`
        self.members = dict(members or {})  # further members of the document

    @property
    def status(self) -> int:
        """The HTTP status of this kind of problem."""
        return PROBLEMS[self.code].status

    def as_json(self) -> dict[str, Json]:
        """The problem document: type, title, status, detail, and the members `code`, `remedy` and `error`.

        Clients of the Open Inference Protocol read `error`. Every document has it, for whoever checks access or
        counts the connections does not know which client asks.

        >>> Problem("not-found", "/x is not there").as_json()["status"]
        404
        """
        kind = PROBLEMS[self.code]
        return {
            "type": f"urn:vidi:problem:{self.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.cause,
            "code": self.code,
            "remedy": self.remedy,
            "error": f"{self.cause} {self.remedy}".strip(),
            **self.members,
        }


class UnusableImages(Problem):
    """A request that is refused for images in it."""

    def __init__(self, cause: str, remedy: str, *, count: int = 1, members: Mapping[str, Json] | None = None) -> None:
        super().__init__("unusable-image", cause, remedy, members=members)
        self.count = count  # images that cannot be used
