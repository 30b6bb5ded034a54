"""The description of the whole server that programs read: OpenAPI 3.1, written by hand."""

from collections.abc import Sequence

from vidi.serving.documents.inference import ABOUT, PROTOCOL, inference_paths, inference_schemas
from vidi.serving.documents.operations import LOG_TAGS, TAGS, own_paths
from vidi.serving.documents.schemas import Schema, schemas
from vidi.serving.settings import Settings

VERSION = "3.1.0"  # of OpenAPI; 3.1.1 and later change words alone


def openapi_document(
    names: Sequence[str],
    settings: Settings,
    *,
    version: str,
    root: str = "",
    versions: Sequence[str] = (),
    logs: bool = False,
) -> Schema:
    """The OpenAPI document of a server.

    Args:
        names: of the models that are served.
        settings: limits, which descriptions name.
        version: of vidi.
        root: path under which the app is mounted; empty where it stands alone.
        versions: of the models.
        logs: the server has a prediction log, and takes feedback.
    """
    tags = {**TAGS, **(LOG_TAGS if logs else {}), PROTOCOL: ABOUT}
    return {
        "openapi": VERSION,
        "info": {
            "title": "vidi",
            "version": version,
            "description": "Image classification by model files. Every answer names the model that gave it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root or "/"}],
        "tags": [{"name": name, "description": about} for name, about in tags.items()],
        "security": [{}, {"token": []}],
        "paths": {**own_paths(names, settings, logs=logs), **inference_paths(names, versions, settings)},
        "components": {
            "schemas": {**schemas(settings), **inference_schemas()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Where the server asks for it: on every path but `/healthz` and `/readyz`.",
                }
            },
        },
    }
