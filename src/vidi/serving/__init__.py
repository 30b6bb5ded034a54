"""The same answer over HTTP: one ASGI app around model files, and the server that runs it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidi.serving.application import app as app

__all__ = ["app"]


def __getattr__(name: str) -> object:
    """`app`, fetched when it is first used (PEP 562)."""
    if name != "app":
        raise AttributeError(f"module 'vidi.serving' has no attribute {name!r}")
    from vidi.serving.application import app

    return app
