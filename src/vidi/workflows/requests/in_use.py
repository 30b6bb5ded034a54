"""Requests about a model in use: serve, watch, log, monitor, review, retrain and promote."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vidi.errors import UsageError
from vidi.options import Argument, Option
from vidi.timeline.events import EventRules
from vidi.workflows.requests.shared import (
    USUAL_ENGINE,
    Engine,
    LabelsFile,
    PicturesUnlessOff,
    Workers,
    parse_names,
    parse_time,
)

Why = Annotated[str, Option("Reason, for the history.", metavar="TEXT")]
USUAL = EventRules()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRequest:
    """What the app opens, and to whom."""

    data: Annotated[str | None, Argument("FOLDER", "Images or a project; leave it out to choose on the page.")] = None
    port: Annotated[
        int | None, Option("Port of the page (default: 8421, or any that is free).", metavar="N", least=0)
    ] = None
    host: Annotated[
        str,
        Option(
            "Address for phones of the network, for camera, labels and Try; with a token and HTTPS.", metavar="ADDRESS"
        ),
    ] = "127.0.0.1"
    browser: Annotated[bool, Option("Open no browser.", flags=("--no-browser",), python_help="False opens none.")] = (
        True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogContentsRequest:
    """What to show of a log, or to delete from it."""

    log: Annotated[str, Argument("LOG", "The log: a file, or postgresql://USER@HOST/DATABASE.")]
    digests: Annotated[
        tuple[str, ...], Argument("DIGEST…", "Only what is known of these images, by SHA-256.", several=True)
    ] = ()
    before: Annotated[
        str | None, Option("Only what came before this day or time, for example 2026-03-01.", metavar="DATE")
    ] = None
    images: Annotated[bool, Option("Only the images that are kept, and no other row.")] = False
    delete: Annotated[bool, Option("Delete what is named by DIGEST, --before or --images.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRequest:
    """Options of `vidi monitor`."""

    model: Annotated[Path, Argument("MODEL", "Path to a model file or run folder, or a registered name.")]
    log: Annotated[
        str, Option("Prediction log to read: a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE.", metavar="URL")
    ]
    since: Annotated[
        float | None,
        Option("Leave out what was predicted before, for example 2026-11-22.", metavar="DATE", read=parse_time),
    ] = None
    output: Annotated[Path | None, Option("Write the finding as a page.", flags=("--output", "-o"), metavar="FILE")] = (
        None
    )
    images: PicturesUnlessOff = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """What to review, who reviews it, and where the labels go."""

    source: Annotated[
        str | None, Argument("DATA|RUN", "Images, a run or a registered name; leave it out with --log.")
    ] = None
    log: Annotated[
        str | None, Option("Path or URL of a prediction log, whose kept images are reviewed.", metavar="URL")
    ] = None
    model: Annotated[
        Path | None,
        Option(
            "Path to a model file or run, or a registered name, that answers; with --log, whose logged answers count.",
            metavar="MODEL",
        ),
    ] = None
    classes: Annotated[
        tuple[str, ...] | None,
        Option("Classes to choose from, where neither images nor a model have any.", metavar="A,B", read=parse_names),
    ] = None
    labels: LabelsFile = None
    export: Annotated[
        Path | None, Option("Write the confirmed labels as a data set, and show no page.", metavar="DIR")
    ] = None
    port: Annotated[int, Option("Port of the page; 0 takes any that is free.", metavar="N", least=0)] = 8001


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRequest:
    """Which run is trained again, with what, and when the result replaces the model in use."""

    run: Annotated[Path, Argument("RUN", "Path to the run folder of the model in use, or its registered name.")]
    feedback: Annotated[
        str | None,
        Option("Labelled images from use: a folder, archive or table; or a prediction log.", metavar="DATA|URL"),
    ] = None
    labels: LabelsFile = None
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
        float, Option("Accuracy that may be lost on the test split, in percentage points.", metavar="POINTS", least=0.1)
    ] = 1.0
    why: Annotated[str, Option("Reason, for the history.", metavar="TEXT")] = ""

    def __post_init__(self) -> None:
        if self.candidate is not None and (self.feedback, self.labels) != (None, None):
            raise UsageError(
                "--candidate names a run that is trained already, so no new labels can be used",
                "Leave out --feedback and --labels, or --candidate.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequest:
    """Which model is put in use, and under which name."""

    model: Annotated[Path, Argument("MODEL", "Path to a run folder or a model file, or a registered name.")]
    name: Annotated[str, Option("Name under which the model is in use.", metavar="NAME")]
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequest:
    """Which name goes back to an earlier version."""

    name: Annotated[str, Argument("NAME", "Registered name; `vidi runs` lists them.")]
    to: Annotated[str | None, Option("Number of the version (default: the one before).", metavar="VERSION")] = None
    why: Why = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What to watch, and when something counts as seen."""

    source: Annotated[
        str, Argument("SOURCE", "A camera's number (0), a video file, or an rtsp:// or http:// address of a stream.")
    ]
    classes: Annotated[
        tuple[str, ...] | None,
        Option(
            "Name of a class to watch for; repeat it for more (default: all but background and the like).",
            flags=("--class",),
            metavar="NAME",
            several=True,
        ),
    ] = None
    start: Annotated[float, Option("Score at which an event begins.", metavar="SHARE")] = USUAL.start
    end: Annotated[float, Option("Score below which an event ends.", metavar="SHARE")] = USUAL.end
    locate: Annotated[bool, Option("Find boxes on the best frame of each event.")] = False
    engine: Engine = USUAL_ENGINE

    def __post_init__(self) -> None:
        self.rules()

    def rules(self) -> EventRules:
        """When something counts as seen.

        Raises:
            UsageError: the numbers contradict each other.
        """
        return EventRules(start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOutputs:
    """Where events go, besides the terminal."""

    output: Annotated[
        Path | None,
        Option(
            "Path to a folder for the events: a table, a snapshot of each, and a page.",
            flags=("--output", "-o"),
            metavar="DIR",
        ),
    ] = None
    images: PicturesUnlessOff = True
    clips: Annotated[bool, Option("Also keep a short video of each event in the folder.")] = False
    keep_days: Annotated[float, Option("Keep a snapshot or clip for at most this time.", metavar="DAYS", least=0)] = (
        30.0
    )
    webhook: Annotated[
        str | None,
        Option("Send each event to this http:// or https:// address, signed with VIDI_WEBHOOK_SECRET.", metavar="URL"),
    ] = None
    log: Annotated[
        str | None, Option("Log each event there: a file, or postgresql://USER@HOST/DATABASE.", metavar="URL")
    ] = None

    def __post_init__(self) -> None:
        if self.clips and self.output is None:
            raise UsageError("--clips without a folder", "Say where with `--output DIR`.")
        if self.clips and not self.images:
            raise UsageError("--clips and VIDI_NO_IMAGES exclude each other", "Use only one of them.")
