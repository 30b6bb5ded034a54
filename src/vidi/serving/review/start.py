"""`vidi review`: a review is opened, and its page served on this computer until a signal ends it."""

import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from starlette.middleware import Middleware

from vidi.serving.doors.doorkeeper import Doorkeeper
from vidi.serving.doors.doors import DoorOptions, choose_doors
from vidi.serving.doors.opening import open_doors
from vidi.serving.lifecycle import Lifecycle
from vidi.serving.protocol.listen import Listening
from vidi.serving.protocol.server import run_server
from vidi.serving.review.app import review_app
from vidi.serving.settings import Settings
from vidi.workflows.interaction.events import Events
from vidi.workflows.requests.review import ReviewRequest
from vidi.workflows.review import commands_after, open_review
from vidi.workflows.reviewing.desk import ReviewDesk

Say = Callable[[str], None]


def serve_review(
    request: ReviewRequest,
    *,
    events: Events,
    environment: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
) -> None:
    """Serve the review page to this computer until a signal ends it.

    Args:
        request: what to review, and by whom.
        events: receives lines for people.
        environment: variables of the process; its own by default.
        lifecycle: ends the server, besides a signal.

    Raises:
        UsageError: the options contradict each other, or the port cannot be used.
        DataError: there is nothing to review.
        ModelError: the model file cannot be trusted.
        ResourceError: the log or the file of labels cannot be used.
    """
    environment = os.environ if environment is None else environment
    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(open_review(request, events=events, environment=environment))
        # Loopback alone, whatever stands in the environment: no token, no certificate, no other host.
        doors = open_doors(choose_doors(DoorOptions(port=request.port), {}), {}, datetime.now(UTC))
        after = commands_after(request)
        app = review_app(desk, Middleware(Doorkeeper, doors.doors, doors.lock), after=after)
        run_server(
            app,
            Settings(),
            listen=doors.listen,
            lifecycle=lifecycle or Lifecycle(),
            ready=lambda listening: _tell(listening, desk, events.say),
        )
    events.say("stopped: every answer that was given is kept; what now:")
    for command in after:
        events.say(f"  {command}")


def _tell(listening: Listening, desk: ReviewDesk, say: Say) -> None:
    count = len(desk.source.items())
    say(f"{desk.source.title}: {count:,} images to review, as {desk.reviewer}")
    say(f"open {listening.urls[0]}/")
    say("It answers only programs on this computer. Ctrl-C stops it.")
