"""`vidi serve`: the same answer over HTTP."""

from vidi.workflows.requests.log import LogRequest
from vidi.workflows.requests.serve import ServeRequest


def serve(request: ServeRequest, log: LogRequest) -> None:
    """Answer over HTTP for model files, until Ctrl-C or SIGTERM stops it."""
    import gc

    gc.disable()  # all that is imported stays: looking through it for garbage would take a tenth of the start
    from vidi.cli.terminal import Terminal
    from vidi.serving.start import serve as start

    gc.freeze()  # nor is it looked through while requests are answered
    gc.enable()
    start(request, log, say=Terminal().say)
