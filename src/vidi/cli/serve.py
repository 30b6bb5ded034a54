"""`vidi serve`: the same answer over HTTP."""

from vidi.workflows.requests.serve import ServeRequest


def serve(request: ServeRequest) -> None:
    """Answer over HTTP for model files, until Ctrl-C or SIGTERM stops it."""
    from vidi.cli.terminal import Terminal
    from vidi.serving.start import serve as start

    start(request, say=Terminal().say)
