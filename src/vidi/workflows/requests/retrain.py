"""The options of `vidi retrain`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Argument, Option


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest:
    """Which run is trained again, with what, and when the result replaces the model in use."""

    run: Annotated[Path, Argument("RUN", "Path to the run folder of the model in use, or its registered name.")]
    feedback: Annotated[
        str | None,
        Option("Labelled images from use: a folder, archive or table; or a prediction log.", metavar="DATA|URL"),
    ] = None
    name: Annotated[
        str | None, Option("Registered name to promote to (default: that of the model).", metavar="NAME")
    ] = None
    output: Annotated[
        Path | None, Option("Path to the new run folder (default runs/NAME).", flags=("--output", "-o"), metavar="DIR")
    ] = None
    candidate: Annotated[
        Path | None, Option("Compare this finished run with the model in use, and train none.", metavar="RUN")
    ] = None
    max_drop: Annotated[
        float, Option("Accuracy that may be lost on the test part, in percentage points.", metavar="POINTS", least=0.1)
    ] = 1.0
    why: Annotated[str, Option("Reason, for the history.", metavar="TEXT")] = ""

    def __post_init__(self) -> None:
        if (self.feedback is None) == (self.candidate is None):
            raise UsageError(
                "vidi retrain needs either new labels or a finished candidate",
                "Name labelled images: --feedback DATA. Or a run to compare: --candidate RUN.",
            )
