"""How a client asks for an operation of the OpenAPI document: curl, Python and JavaScript, ready to be pasted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from vidi.model_file.values import Json

Language = Literal["curl", "Python", "JavaScript"]
LANGUAGES: Final[tuple[Language, ...]] = ("curl", "Python", "JavaScript")
FILES: Final = ("photo.jpg", "other.jpg")  # what the examples send
VARIABLE: Final = "VIDI_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that an example sends."""

    method: str  # in upper case
    url: str  # whole, with its query
    body: Literal["none", "file", "form", "json"] = "none"
    document: Json = None  # where the body is JSON
    media_type: str = ""  # of a file
    has_token: bool = False  # whether the server asks for a token
    is_json: bool = True  # whether the answer is


def example(call: Call, language: Language) -> str:
    """The request as a program or command.

    >>> print(example(Call(method="GET", url="http://localhost:8000/v1/models"), "curl"))
    curl http://localhost:8000/v1/models
    """
    return {"curl": _curl, "Python": _python, "JavaScript": _javascript}[language](call)


def call_of(
    operation: Mapping[str, Json], *, method: str, url: str, media_type: str = "", has_token: bool = False
) -> Call:
    """The request that shows an operation with one form of its body.

    Args:
        operation: of the OpenAPI document.
        method: of HTTP.
        url: whole, with its query.
        media_type: which form of the body; empty where there is none.
        has_token: whether the server asks for a token.
    """
    answers = member(operation, "responses", "200", "content")
    call = Call(
        method=method.upper(), url=url, has_token=has_token, is_json=not answers or "application/json" in answers
    )
    if not media_type:
        return call
    if media_type == "multipart/form-data":
        return replace(call, body="form")
    if media_type.endswith("json"):
        return replace(call, body="json", document=member(operation, "requestBody", "content", media_type)["example"])
    return replace(call, body="file", media_type="image/jpeg" if media_type == "image/*" else media_type)


def member(value: Json, *names: str) -> Mapping[str, Json]:
    """An object within objects; empty where there is none.

    >>> member({"a": {"b": {"c": 1}}}, "a", "b"), member({}, "a")
    ({'c': 1}, {})
    """
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _quoted(text: str) -> str:
    """A word for a shell of Unix, quoted where it must be."""
    plain = text.replace("'", "'\\''")
    return text if all(sign.isalnum() or sign in "/:._-@=" for sign in text) else f"'{plain}'"


def _curl(call: Call) -> str:
    is_usual = call.method == ("GET" if call.body == "none" else "POST")
    lines = ["curl " + ("" if is_usual else f"-X {call.method} ") + _quoted(call.url)]
    if call.has_token:
        lines.append(f'-H "Authorization: Bearer ${VARIABLE}"')
    if call.body == "file":
        lines += [f"-H 'Content-Type: {call.media_type}'", f"--data-binary @{FILES[0]}"]
    if call.body == "form":
        lines += [f"-F image=@{name}" for name in FILES]
    if call.body == "json":
        lines += ["-H 'Content-Type: application/json'", f"-d {_quoted(json.dumps(call.document))}"]
    return " \\\n  ".join(lines)


def _python(call: Call) -> str:
    before = ["import httpx", ""]
    headers, words = [], [json.dumps(call.url)]
    if call.has_token:
        before.insert(0, "import os")
        headers.append(f'"Authorization": f"Bearer {{os.environ[\'{VARIABLE}\']}}"')
    if call.body == "file":
        before += [f'with open("{FILES[0]}", "rb") as file:', "    data = file.read()"]
        headers.append(f'"Content-Type": "{call.media_type}"')
        words.append("content=data")
    if call.body == "form":
        opened = ", ".join(f'("image", open("{name}", "rb"))' for name in FILES)
        before.append(f"files = [{opened}]")
        words.append("files=files")
    if call.body == "json":
        before.append(f"document = {call.document!r}")
        words.append("json=document")
    if headers:
        before.append(f"headers = {{{', '.join(headers)}}}")
        words.append("headers=headers")
    asked = f"httpx.{call.method.lower()}({', '.join(words)})"
    return "\n".join([*before, f"answer = {asked}", f"print({'answer.json()' if call.is_json else 'answer.text'})"])


def _javascript(call: Call) -> str:
    before: list[str] = []
    headers: list[str] = []
    options: list[str] = [] if call.method == "GET" else [f'method: "{call.method}"']
    if call.has_token:
        headers.append("Authorization: `Bearer ${token}`")
    if call.body == "file":
        before.append('const [file] = document.querySelector("input[type=file]").files;')
        headers.append(f'"Content-Type": "{call.media_type}"')
        options.append("body: file")
    if call.body == "form":
        before.append("const form = new FormData();")
        before.append('const { files } = document.querySelector("input[type=file]");')
        before.append('for (const file of files) form.append("image", file);')
        options.append("body: form")
    if call.body == "json":
        before.append(f"const body = JSON.stringify({json.dumps(call.document)});")
        headers.append('"Content-Type": "application/json"')
        options.append("body")
    if headers:
        options.append("headers: { " + ", ".join(headers) + " }")
    words = json.dumps(call.url) + (", { " + ", ".join(options) + " }" if options else "")
    shown = "answer.json()" if call.is_json else "answer.text()"
    return "\n".join([*before, f"const answer = await fetch({words});", f"console.log(await {shown});"])
