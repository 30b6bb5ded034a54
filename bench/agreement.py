"""Whether a model gives the same answers everywhere: 500 images, eight hosts, one table.

    python -m bench agreement [--most N] [--model MODEL] [--output FILE]      without Chromium the page is left out

The images are made from scikit-image's photographs, in every form that hosts could read in different ways; with
VIDI_DATA set, 120 photographs of its archives are added. The model is trained first, in half a minute. Every host is
compared with `Predictor.predict_files`: no other label, verdict or set of candidates but within 0.01 of a tie or a
limit, each of which is listed, and no probability more than 0.01 away. Two causes of differences are allowed, and
each is measured by itself: browsers decode by decoders of their own, and vidi decodes large JPEGs at reduced size
where a host that is given pixels gets them all. Where a JPEG is decoded at reduced size, hosts that get pixels are
therefore held to 0.01 of Python's answer about all pixels. A 12-megapixel tensor is larger than the server takes in
one request: it must be refused with 413, and the image reaches that server as a file. What the page does not read
must be refused as `unsupported-format`; it reaches the page as vidi's decoded pixels. Needs playwright (group
`browser`), Chromium, and `python tools/fetch_browser_runtime.py`.
Leaves bench/results/agreement/PROCESSOR.json; exits with 7 where a gate is not met.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

from bench.agreeing.answers import (  # noqa: E402
    NEAR,
    AnswerDifference,
    Answers,
    differences,
    largest,
)
from bench.agreeing.cells import cell, per_kind  # noqa: E402
from bench.agreeing.hosts import BODY_BYTES, Server, by_bare_graph, by_command_line, by_full_pixels, by_python  # noqa: E402
from bench.agreeing.model import train_model  # noqa: E402
from bench.agreeing.page import PageAnswers, ask_page, opened  # noqa: E402
from bench.agreeing.samples import Sample, make_samples, read_real  # noqa: E402
from bench.page import CHROMIUM, vidi_server  # noqa: E402
from bench.processor import kind, measured_here  # noqa: E402
from vidi.export.page_files import has_runtime  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.prediction.predictor import Predictor  # noqa: E402

PAGE = "page in Chromium"
GIVEN_PIXELS = ("Open Inference, UINT8", "bare onnxruntime", PAGE)  # or a decoder that gives them all
PACKAGES = ("vidi", "numpy", "pillow", "simplejpeg", "onnxruntime")
REFUSAL = "unsupported-format"
RUNTIME = "runtime.json"


@dataclass(slots=True)
class FoundData:
    """All answers: of Python, of each other host, and those that tell the causes of differences."""

    python: Answers
    full_pixels: Answers
    hosts: dict[str, Answers] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)  # status for each tensor that is too large for a request
    page: PageAnswers | None = None
    chromium: str | None = None


def main() -> None:
    """Ask all hosts, write the document, print its table, and exit with 7 where a gate is not met."""
    parser = argparse.ArgumentParser(prog="bench agreement", description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, help="images of each kind, at most")
    parser.add_argument("--model", type=Path, help="ask this model; by default one is trained")
    default = Path(__file__).parent / "results" / "agreement" / f"{kind()}.json"
    parser.add_argument("--output", type=Path, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = given.model or train_model(Path(place))
        samples = make_samples(given.most)
        if "VIDI_DATA" in os.environ:
            samples += read_real(Path(os.environ["VIDI_DATA"]), given.most)
        predictor = Predictor.load(model)
        document = document_of(predictor, samples, ask_all(predictor, samples, Path(place), find_browser()))
    write_atomic(given.output, json.dumps(document, indent=1) + "\n")
    print(table(document))
    for name, gate in document["gates"].items():
        print(f"{'met' if gate['met'] else 'NOT met'}: {name}: {gate['is']}")
    sys.exit(0 if all(gate["met"] for gate in document["gates"].values()) else 7)


def find_browser() -> str | None:
    """Chromium's path, where the page can run a model."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    return found if has_runtime() else None


def ask_all(predictor: Predictor, samples: Sequence[Sample], folder: Path, browser: str | None) -> FoundData:
    """Every host's answers to the same files."""
    files = {one.name: folder / "samples" / one.name for one in samples}
    (folder / "samples").mkdir()
    for one in samples:
        files[one.name].write_bytes(one.data)
    found = FoundData(python=by_python(predictor, files), full_pixels=by_full_pixels(predictor, samples))
    found.hosts["command line"] = by_command_line(predictor, files)
    with vidi_server(predictor.model.path) as url:
        server = Server(url, predictor)
        for name, ask in server.forms().items():
            found.hosts[name] = ask(samples)
            print(f"asked: {name}", file=sys.stderr)
        found.refusals = server.refusals
        server.close()
        found.hosts["bare onnxruntime"] = by_bare_graph(predictor, samples)
        if browser is not None:
            with opened(browser, url) as page:
                found.chromium = page.context.browser.version if page.context.browser else None
                found.page = ask_page(page, samples)
            found.hosts[PAGE] = shown(samples, found.page)
    return found


def shown(samples: Sequence[Sample], page: PageAnswers) -> Answers:
    """What a person at the page gets: files of its own set as they are, the others as vidi's decoded pixels."""
    return {one.name: (page.by_file if one.in_browser else page.by_pixels)[one.name] for one in samples}


def document_of(predictor: Predictor, samples: Sequence[Sample], found: FoundData) -> dict[str, Any]:
    """All figures, with the gates."""
    kinds: dict[str, list[str]] = {}
    for one in samples:
        kinds.setdefault(one.kind, []).append(one.name)
    differing = {
        host: list(differences(found.python, answers, predictor.metadata)) for host, answers in found.hosts.items()
    }
    document: dict[str, Any] = {
        "images": len(samples),
        "model": {
            "network": predictor.metadata.provenance.network,
            "image_size": list(predictor.metadata.framing.size),
        },
        "verdicts": counted(found.python),
        **measured_here(),
        "versions": versions(found.chromium),
        "hosts": {
            host: {kind: cell(found.python, answers, names, differing[host]) for kind, names in kinds.items()}
            for host, answers in found.hosts.items()
        },
        "near": listed(differing, is_near=True),
        "other": listed(differing, is_near=False),
        "causes": causes(found, kinds),
        "tensors_too_large_for_a_request": found.refusals,
    }
    document["gates"] = gates(document, samples, found)
    return document


def counted(answers: Answers) -> dict[str, int]:
    """How many images got each verdict: all should occur."""
    told = [str(one.verdict) for one in answers.values()]
    return {verdict: told.count(verdict) for verdict in sorted(set(told))}


def versions(chromium: str | None) -> dict[str, str | None]:
    """Of everything that decodes or computes."""
    from vidi.export.page_files import page_files

    runtime = json.loads(page_files()[RUNTIME].read_text("utf-8"))["version"] if RUNTIME in page_files() else None
    packages = {name: version(name) for name in PACKAGES}
    return {**packages, "python": platform.python_version(), "chromium": chromium, "onnxruntime-web": runtime}


def listed(differing: Mapping[str, Sequence[AnswerDifference]], *, is_near: bool) -> list[dict[str, Any]]:
    """Each answer that is another, by host."""
    return [
        {"host": host, **asdict(one), "near": round(min(one.near, 1e9), 5)}
        for host, those in differing.items()
        for one in those
        if one.is_near == is_near
    ]


def causes(found: FoundData, kinds: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What each allowed cause changes of a probability, for each kind of image."""
    told: dict[str, Any] = {"reduced JPEG decoding": per_kind(found.python, found.full_pixels, kinds)}
    if found.page is not None:
        told["browser's decoders"] = per_kind(found.page.by_pixels, found.page.by_file, kinds)
        told["onnxruntime-web"] = per_kind(found.full_pixels, found.page.by_pixels, kinds)
        told["levels between decoders"] = {
            kind: {
                "most": max(levels["most"] for levels in those),
                "mean": round(max(levels["mean"] for levels in those), 3),
            }
            for kind, names in kinds.items()
            if (those := [found.page.levels[name] for name in names if name in found.page.levels])
        }
    return told


def gates(document: Mapping[str, Any], samples: Sequence[Sample], found: FoundData) -> dict[str, dict[str, Any]]:
    """What must hold, and whether it does."""
    names = [one.name for one in samples]
    gap = max(
        largest(found.full_pixels if host in GIVEN_PIXELS else found.python, answers, names) or 0.0
        for host, answers in found.hosts.items()
    )
    told = {
        "other labels, verdicts, candidates or refusals": (len(document["other"]), not document["other"]),
        "largest difference of a probability, reduced JPEG decoding aside": (gap, gap <= NEAR),
        f"tensors over {BODY_BYTES:,} bytes are refused with 413": (
            len(found.refusals),
            all(status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE for status in found.refusals.values()),
        ),
        "every verdict occurs": (document["verdicts"], len(document["verdicts"]) == 3),
    }
    if found.page is not None:
        outside = [found.page.by_file[one.name].code for one in samples if not one.in_browser]
        refused = sum(code == REFUSAL for code in outside)
        told[f"the page refuses what it does not read as {REFUSAL}"] = (refused, refused == len(outside))
    return {name: {"is": value, "met": met} for name, (value, met) in told.items()}


def table(document: Mapping[str, Any]) -> str:
    """Host by kind: the largest difference of a probability, and how many answers are others or near a limit."""
    hosts = document["hosts"]
    lines = ["| images | n | " + " | ".join(hosts) + " |", "| --- " * (len(hosts) + 2) + "|"]
    for name in next(iter(hosts.values())):
        cells = [hosts[host][name] for host in hosts]
        words = [words_of(one) for one in cells]
        lines.append(f"| {name} | {max(one['n'] for one in cells if one)} | {' | '.join(words)} |")
    return "\n".join(lines)


def words_of(one: Mapping[str, Any] | None) -> str:
    """One cell."""
    if one is None:
        return "–"
    other = sum(value for name, value in one.items() if name.startswith("other_"))
    gap = "–" if one["largest_difference"] is None else f"{one['largest_difference']:.0e}"
    return gap + (f", {other} others" if other else "") + (f", {one['near']} near" if one["near"] else "")


if __name__ == "__main__":
    main()
