"""`vidi review`: a review is opened, and the app served at its view until a signal ends it."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from vidi.app.reviewing import review_routes
from vidi.app.start import serve
from vidi.app.state import AppState, projects_folder
from vidi.data.project import is_project, read_project
from vidi.serving.protocol.incoming import Lifecycle
from vidi.workflows.interaction.events import Events
from vidi.workflows.requests.in_use import ReviewRequest
from vidi.workflows.review import commands_after, open_review


def serve_review(
    request: ReviewRequest,
    *,
    events: Events,
    environment: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
) -> None:
    """Serve the review to this computer until a signal ends it.

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
    source = request.source
    project = read_project(Path(source)) if source is not None and is_project(source) else None
    state = AppState(
        projects=projects_folder(environment), project=project, environment=environment, lifecycle=lifecycle
    )
    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(open_review(request, events=events, environment=environment))
        after = commands_after(request)
        count = len(desk.source.items())
        events.say(f"{desk.source.title}: {count:,} images to review, as {desk.reviewer}")
        serve(state, view="review", routes=review_routes(lambda: desk, after=after), port=request.port, say=events.say)
    events.say("stopped: every answer that was given is kept; what now:")
    for command in after:
        events.say(f"  {command}")
