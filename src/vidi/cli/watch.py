"""`vidi watch`: what is seen on a camera, a video or a stream, and when?"""

import contextlib
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

from vidi.cli import options
from vidi.options import Option
from vidi.workflows.requests.in_use import WatchOutputs, WatchRequest

if TYPE_CHECKING:
    from vidi.workflows.watching.session import LivePicture


def watch(
    model: options.Model,
    request: WatchRequest,
    outputs: WatchOutputs,
    *,
    as_json_lines: Annotated[
        bool, Option("Print one JSON object per line, as soon as it is known.", flags=("--jsonl",))
    ] = False,
    page: Annotated[bool, Option("Show the last frame and events on a page of this computer.")] = False,
    port: Annotated[
        int,
        Option("Port of the page; 0 takes any that is free.", metavar="N", least=0),
    ] = 8002,
) -> None:
    """Watch a camera, a video file or a stream, and report when a class comes into view and leaves it."""
    import os

    from vidi.cli.terminal import on_terminal
    from vidi.prediction.predictor import Predictor
    from vidi.workflows.watch import watch_with
    from vidi.workflows.watching.outputs import printing

    events = on_terminal()
    code = watch_with(
        Predictor.load(model, engine=request.engine),
        request,
        outputs,
        tell=printing(sys.stdout, as_json=as_json_lines),
        environment=os.environ,
        events=events,
        page=partial(_page, port=port, say=events.say) if page else None,
    )
    raise SystemExit(code)


def _page(
    picture: "LivePicture", *, port: int, say: Callable[[str], None]
) -> contextlib.AbstractContextManager[object]:
    """The live page; its server is loaded only where it is asked for."""
    from vidi.app.live import live_page

    return live_page(picture, port=port, say=say)
