"""What is used of uvicorn beyond its documented interface, all named here so that one test can watch it."""

import inspect

import httptools
import uvicorn
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from vidi.errors import MissingPackageError

__all__ = [
    "Config",
    "FlowControl",
    "HttpToolsProtocol",
    "RequestResponseCycle",
    "ServerState",
    "check_parts",
    "strict_parser",
]

# Methods that are overridden or called, with the parameters they are called with.
METHODS: dict[type, dict[str, tuple[str, ...]]] = {
    HttpToolsProtocol: {
        "__init__": ("self", "config", "server_state", "app_state", "_loop"),
        "connection_made": ("self", "transport"),
        "connection_lost": ("self", "exc"),
        "data_received": ("self", "data"),
        "on_message_begin": ("self",),
        "on_url": ("self", "url"),
        "on_header": ("self", "name", "value"),
        "on_headers_complete": ("self",),
        "on_body": ("self", "body"),
        "on_message_complete": ("self",),
        "on_response_complete": ("self",),
        "resume_writing": ("self",),
        "_start_asgi_task": ("self", "cycle", "app"),
    },
    FlowControl: {"pause_reading": ("self",), "resume_reading": ("self",)},
}
# Attributes that are read or set.
ATTRIBUTES: dict[type, tuple[str, ...]] = {
    HttpToolsProtocol: (
        *("logger", "loop", "parser", "transport", "flow", "cycle", "pipeline", "connections", "tasks", "server_state"),
        *("scope", "headers", "url", "client", "expect_100_continue"),
    ),
    RequestResponseCycle: (
        *("disconnected", "keep_alive", "message_event", "more_body", "response_started", "response_complete"),
    ),
    FlowControl: ("read_paused",),
    ServerState: ("total_requests", "connections", "tasks", "default_headers"),
}


def check_parts() -> None:
    """Refuse a uvicorn that has changed what is used of it: it could lose limits without a word.

    Raises:
        MissingPackageError: its methods are not those of the versions that are supported.
    """
    for owner, methods in METHODS.items():
        for name, parameters in methods.items():
            found = getattr(owner, name, None)
            if found is None or tuple(inspect.signature(found).parameters) != parameters:
                raise MissingPackageError(
                    f"uvicorn {uvicorn.__version__} has changed `{owner.__name__}.{name}`, which the server builds on.",
                    'Install a version that is supported: `pip install "uvicorn==0.54"`.',
                )


def strict_parser(protocol: HttpToolsProtocol) -> httptools.HttpRequestParser:
    """A parser with none of llhttp's leniencies: uvicorn switches one on, data after `Connection: close`."""
    return httptools.HttpRequestParser(protocol)
