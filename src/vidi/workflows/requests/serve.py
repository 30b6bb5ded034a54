"""The options of `vidi serve`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.options import Argument, Option
from vidi.workflows.requests.shared import USUAL_ENGINE, Engine, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """Which models to serve, and to whom."""

    models: Annotated[
        tuple[str, ...],
        Argument("MODEL…", "Model files, run folders or registered names; NAME=PATH renames one.", several=True),
    ]
    port: Annotated[int, Option("Port to listen on; 0 takes any that is free.", metavar="N", least=0)] = 8000
    host: Annotated[
        str,
        Option("Address to listen on; any but this computer's own needs a token and HTTPS.", metavar="ADDRESS"),
    ] = "127.0.0.1"
    certificate: Annotated[
        Path | None, Option("Path to a certificate in PEM (default: one of vidi's own making).", metavar="FILE")
    ] = None
    key: Annotated[Path | None, Option("Path to the key of --certificate, in PEM.", metavar="FILE")] = None
    token_file: Annotated[
        Path | None,
        Option("Path to a file with the access token (default: VIDI_TOKEN, else a new one).", metavar="FILE"),
    ] = None
    behind_proxy: Annotated[bool, Option("Speak plain HTTP to a proxy that holds the certificate.")] = False
    allow_host: Annotated[
        tuple[str, ...],
        Option("Name of a host to answer for; repeat it for more.", metavar="NAME", several=True),
    ] = ()
    allow_origin: Annotated[
        str | None, Option("Origin whose pages may send requests, for example https://shop.example.", metavar="URL")
    ] = None
    watch_model: Annotated[bool, Option("Take a model file that is replaced on disk, after a self-test.")] = False
    engine: Engine = USUAL_ENGINE
    workers: Workers = None
