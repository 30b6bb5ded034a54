"""The page for people: what the server answers, with examples that name its own models and address."""

import base64
import functools
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlencode

from vidi.model_file.values import Json
from vidi.report.pages.render import TEMPLATES

METHODS: Final = ("get", "post", "put", "delete")
NAMES_A_MODEL: Final = ("model", "model_name", "name")  # parameters that stand for one
MOST_CLASSES_SHOWN: Final = 8
WITHOUT_EXAMPLE: Final = frozenset({"application/octet-stream"})  # it is asked for as a file of another type is


def documentation_page(
    document: Mapping[str, Json], models: Sequence[Mapping[str, Json]], *, address: str, has_token: bool = False
) -> str:
    """The page, whole: it loads nothing and runs nothing.

    Args:
        document: OpenAPI, as `openapi_document` makes it.
        models: rows of `/v1/models`.
        address: where the server is reached, such as `http://localhost:8000`.
        has_token: whether the examples send an access token.
    """
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Ask this server · vidi</title>',
        f"<style>{style()}</style></head><body>",
        '<a class="skip" href="#content">To the content</a><div class="page"><header>',
        f'<p class="eyebrow"><strong>vidi</strong> <span>{_text(member(document, "info")["version"])}</span></p>',
        "<h1>Ask this server</h1>",
        f'<p class="lead">{_lead(models, address)}</p>',
        _contents(document),
        _choice(),
        '</header><main id="content">',
        _models(models),
        *_sections(document, models, address=address, has_token=has_token),
        f'</main><footer class="colophon"><p>{_FOOT}</p></footer></div></body></html>',
    ]
    return "\n".join(parts)


_FOOT: Final = (
    'Programs read <a href="openapi.json">openapi.json</a>, from which this page is made. '
    "A refusal has a stable <code>code</code>, a sentence and a remedy."
)


@functools.cache
def style() -> str:
    """The style sheet: that of the report, and what this page has besides."""
    own = Path(__file__).with_name("docs_page.css")
    return "\n".join(path.read_text("utf-8") for path in (TEMPLATES / "style.css", own))


@functools.cache
def security_policy() -> str:
    """The Content-Security-Policy of the page: its own style sheet, known by its digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _prose(value: object) -> str:
    """A sentence in which backticks mark code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", _text(value))


def _lead(models: Sequence[Mapping[str, Json]], address: str) -> str:
    count = "one model" if len(models) == 1 else f"{len(models)} models"
    return f"It answers at <code>{_text(address)}</code> with {count}. Send an image, and it says what is on it."


def _contents(document: Mapping[str, Json]) -> str:
    tags = [_tag_name(tag) for tag in _items(document.get("tags"))]
    links = "".join(f'<li><a href="#{_anchor(tag)}">{_text(tag)}</a></li>' for tag in tags)
    return (
        f'<nav class="contents" aria-label="Contents"><ul><li><a href="#served">Models here</a></li>{links}</ul></nav>'
    )


def _choice() -> str:
    radios = "".join(
        f'<label><input type="radio" name="language" id="{language.lower()}"{" checked" * (language == "curl")}>'
        f"{language}</label>"
        for language in LANGUAGES
    )
    return f'<fieldset class="choice"><legend>Examples in</legend>{radios}</fieldset>'


def _items(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _tag_name(tag: Mapping[str, Json]) -> str:
    return str(tag["name"])


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _models(models: Sequence[Mapping[str, Json]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(row["name"])}</th><td data-label="version">{_text(row["version"])}</td>'
        f'<td data-label="id"><code>{_text(row["id"])}</code></td>'
        f'<td class="words">{_classes(row)}</td></tr>'
        for row in models
    )
    return (
        '<section class="part" id="served"><h2>Models here</h2><table class="stack wide"><thead><tr>'
        '<th scope="col">name</th><th scope="col">version</th><th scope="col">id</th>'
        f'<th scope="col">classes</th></tr></thead><tbody>{rows}</tbody></table></section>'
    )


def _classes(row: Mapping[str, Json]) -> str:
    listed = row["classes"]
    classes = [str(one) for one in listed] if isinstance(listed, list) else []
    more = f" and {len(classes) - MOST_CLASSES_SHOWN:,} more" if len(classes) > MOST_CLASSES_SHOWN else ""
    return _text(", ".join(classes[:MOST_CLASSES_SHOWN])) + more


def _sections(
    document: Mapping[str, Json], models: Sequence[Mapping[str, Json]], *, address: str, has_token: bool
) -> Iterator[str]:
    name = str(models[0]["name"]) if models else ""
    for tag in _items(document.get("tags")):
        title = _tag_name(tag)
        yield f'<section class="part" id="{_anchor(title)}"><h2>{_text(title)}</h2><p>{_prose(tag["description"])}</p>'
        for path, methods in member(document, "paths").items():
            for method in METHODS:
                operation = member(methods, method)
                tags = operation.get("tags")
                if isinstance(tags, list) and title in tags:
                    shown = _examples(operation, method, path, name, address=address, has_token=has_token)
                    yield _operation(operation, method, path, shown)
        yield "</section>"


def _operation(operation: Mapping[str, Json], method: str, path: str, examples: str) -> str:
    body = member(operation, "requestBody").get("description")
    described = [operation.get("description"), f"The body: {body}" if body else None]
    about = "".join(f"<p>{_prose(text)}</p>" for text in described if text)
    return (
        f'<article class="operation"><h3><span class="method">{method.upper()}</span> <code>{_text(path)}</code></h3>'
        f'<p class="what">{_prose(operation["summary"])}</p>{about}{_parameters(operation)}{examples}'
        f"<details><summary>Answers</summary>{_answers(operation)}</details></article>"
    )


def _parameters(operation: Mapping[str, Json]) -> str:
    rows = [(str(one["name"]), one.get("description", ""), _values(one)) for one in _items(operation.get("parameters"))]
    cells = "".join(
        f'<tr><th scope="row"><code>{_text(name)}</code></th><td>{_prose(about)} {values}</td></tr>'
        for name, about, values in rows
    )
    head = '<thead class="hidden"><tr><th scope="col">parameter</th><th scope="col">meaning</th></tr></thead>'
    return f"<table>{head}<tbody>{cells}</tbody></table>" if rows else ""


def _values(parameter: Mapping[str, Json]) -> str:
    """What a parameter may be, where a few values are all."""
    schema = member(parameter, "schema")
    values = schema.get("enum") or (["true", "false"] if schema.get("type") == "boolean" else [])
    shown = ", ".join(f"<code>{_text(one)}</code>" for one in values) if isinstance(values, list) else ""
    needed = " Required." if parameter.get("required") else ""
    return f'<span class="soft">{shown}{needed}</span>' if shown or needed else ""


def _answers(operation: Mapping[str, Json]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(status)}</th><td>{_prose(member(answer)["description"])}</td></tr>'
        for status, answer in sorted(member(operation, "responses").items())
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _examples(
    operation: Mapping[str, Json], method: str, path: str, name: str, *, address: str, has_token: bool
) -> str:
    url = address + _filled(operation, path, name)
    content = member(operation, "requestBody", "content")
    kinds = [kind for kind in content if kind not in WITHOUT_EXAMPLE and _can_show(kind, member(content, kind))]
    shown = []
    for kind in kinds or ([] if content else [""]):
        call = call_of(operation, method=method, url=url, media_type=kind, has_token=has_token)
        shown += [
            f'<figure class="example in-{language.lower()}">{_caption(kind)}'
            f"<pre><code>{_text(example(call, language))}</code></pre></figure>"
            for language in LANGUAGES
        ]
    return "".join(shown)


def _can_show(kind: str, described: Mapping[str, Json]) -> bool:
    """Whether there is an example of a body: a file, a form, or a JSON document that the description holds."""
    return kind.startswith("image/") or kind == "multipart/form-data" or "example" in described


def _caption(kind: str) -> str:
    files = f"{FILES[0]} and {FILES[1]}"
    words = {
        "": "",
        "image/*": "One file",
        "multipart/form-data": f"Several files: {files}",
        "application/json": "JSON",
    }
    return f"<figcaption>{_text(words.get(kind, kind))}</figcaption>" if words.get(kind, kind) else ""


def _filled(operation: Mapping[str, Json], path: str, name: str) -> str:
    """A path with its parameters: the first model's name, and what must stand in the query."""
    query: dict[str, str] = {}
    for parameter in _items(operation.get("parameters")):
        key, value = str(parameter["name"]), str(parameter.get("example", ""))
        value = name if key in NAMES_A_MODEL else value
        if parameter["in"] == "path":
            path = path.replace(f"{{{key}}}", value)
        elif parameter.get("required"):
            query[key] = value
    return path + (f"?{urlencode(query)}" if query else "")


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
