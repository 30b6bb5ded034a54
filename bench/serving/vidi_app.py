"""vidi's server with parts fixed that it otherwise chooses: python -m bench.serving.vidi_app MODEL PORT [LAYOUT].

LAYOUT is `by-load` (as shipped), `one-thread` or `all-cores` (one session whatever the load), or `unisolated` (images
are decoded in the thread that answers, to see what isolation costs).
"""

import sys
from dataclasses import replace
from pathlib import Path

import uvicorn

from vidi.images.decode import DecodeJob, ReadImage, read_one
from vidi.images.framing import Framing
from vidi.images.limits import DecodeOptions
from vidi.machine import core_count
from vidi.serving.application import application, service_of
from vidi.serving.engine.engine import AnswerEngine
from vidi.serving.engine.models import open_served


class DecodingHere:
    """Stands in the pool's place, and decodes in the thread that asks."""

    count = standing = deaths = 0

    def start(self) -> None:
        """Nothing has to be started."""

    def stop(self) -> None:
        """Nothing has to be stopped."""

    def decode(self, data: bytes, *, framing: Framing | None = None, whole_for: Framing | None = None) -> ReadImage:
        """As the pool does it."""
        job = DecodeJob(framing=framing, whole_for=whole_for, options=DecodeOptions())
        return read_one(data, job)


def main(model: str, port: int, layout: str) -> None:
    """Serve."""
    served = open_served("lite0", Path(model))
    if layout == "one-thread":
        served = replace(served, alone=served.predictor)
    if layout == "all-cores":
        served = replace(served, predictor=served.alone)
    service = service_of([served])
    if layout == "unisolated":
        service.engine = AnswerEngine(DecodingHere(), threads=core_count())  # type: ignore[arg-type]
    uvicorn.run(application(service), port=port, log_level="warning", http="httptools", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "by-load")
