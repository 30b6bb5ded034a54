"""The hosts without a browser: each gives its answers about the same files."""

import base64
import http.client
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import onnxruntime

from bench.agreeing.answers import Answers, HostAnswer, from_numbers, from_prediction, refused
from bench.agreeing.samples import Sample
from vidi.images.decode import decode_image
from vidi.prediction.predictor import Predictor
from vidi.serving.settings import Settings

IN_ONE_REQUEST = 8  # images
BODY_BYTES = Settings().body_bytes  # that a server takes in one request
MOST_HEAD = 10_000  # bytes of the JSON before a tensor, at most
BOUNDARY = "9c1f1e5f-between-two-parts"
TEXTS = ("label", "verdict", "candidates")

Ask = Callable[[Sequence[Sample]], Answers]


def by_python(predictor: Predictor, files: Mapping[str, Path]) -> Answers:
    """`Predictor.predict_files`: every other host is compared with it."""
    answers = zip(files, predictor.predict_files(list(files.values())), strict=True)
    return {name: said(one.prediction, one.error) for name, one in answers}


def said(prediction: Any, error: Any) -> HostAnswer:
    """A prediction, or why there is none."""
    return refused(error.code) if prediction is None else from_prediction(prediction)


def from_row(row: Mapping[str, Any], classes: Sequence[str]) -> HostAnswer:
    """A row of the document that the command line and the server give."""
    if row.get("error") is not None:
        return refused(row["error"]["code"])
    values = np.array([row["probabilities"][name] for name in classes], np.float32)
    return HostAnswer(row["label"], row["verdict"], tuple(row["candidates"]), values, row["novelty"])


def by_command_line(predictor: Predictor, files: Mapping[str, Path]) -> Answers:
    """`vidi predict --json`, in a process of its own."""
    words = [sys.executable, "-m", "vidi", "predict", str(predictor.model.path), *map(str, files.values()), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    rows = {row["path"]: row for row in json.loads(done.stdout)["predictions"]}
    return {name: from_row(rows[str(path)], predictor.classes) for name, path in files.items()}


def by_bare_graph(predictor: Predictor, samples: Sequence[Sample]) -> Answers:
    """onnxruntime with its own settings, given vidi's decoded pixels at their full size."""
    session = onnxruntime.InferenceSession(str(predictor.model.path))
    names = [name for name in ("probabilities", "novelty") if name in predictor.model.outputs]
    answers = {}
    for one in samples:
        given = dict(zip(names, session.run(names, {"images": decode_image(one.data).image[None]}), strict=True))
        novelty = float(given["novelty"][0]) if "novelty" in given else None
        answers[one.name] = from_numbers(given["probabilities"][0], novelty, predictor.metadata)
    return answers


def by_full_pixels(predictor: Predictor, samples: Sequence[Sample]) -> Answers:
    """Python again, with images decoded at their full size: the rest is what reduced decoding changes."""
    return {one.name: from_prediction(predictor.predict([decode_image(one.data).image])[0]) for one in samples}


def batched(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    """As many as one request holds, in order."""
    for start in range(0, len(samples), IN_ONE_REQUEST):
        yield samples[start : start + IN_ONE_REQUEST]


class Server:
    """A running `vidi serve`, asked in each of its forms over one connection."""

    def __init__(self, url: str, predictor: Predictor) -> None:
        self._place = urlsplit(url)
        self._predictor = predictor
        self.refusals: dict[str, int] = {}  # status for each image whose tensor is larger than a request may be
        self._connection = http.client.HTTPConnection(str(self._place.hostname), self._place.port, timeout=120)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def forms(self) -> Mapping[str, Ask]:
        """Each form of a request by its name, in the order of the table."""
        return {
            "HTTP, raw": self.raw,
            "HTTP, multipart": self.multipart,
            "HTTP, JSON": self.in_json,
            "Open Inference, BYTES": self.inference_bytes,
            "Open Inference, UINT8": self.inference_pixels,
        }

    def _ask(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        self._connection.request("POST", path, body, dict(headers))
        response = self._connection.getresponse()
        document: dict[str, Any] = json.loads(response.read())
        if response.status not in (200, 422):
            raise RuntimeError(f"{path}: {response.status} {document}")
        return document

    def _rows(self, samples: Sequence[Sample], document: Mapping[str, Any]) -> Iterator[tuple[str, HostAnswer]]:
        for one, row in zip(samples, document["predictions"], strict=True):
            yield one.name, from_row(row, self._predictor.classes)

    def raw(self, samples: Sequence[Sample]) -> Answers:
        """One file, as it is, in each body."""
        answers: Answers = {}
        for one in samples:
            document = self._ask("/v1/predict", one.data, {"Content-Type": "application/octet-stream"})
            bad = "predictions" not in document
            answers |= {one.name: refused(document["code"])} if bad else dict(self._rows([one], document))
        return answers

    def multipart(self, samples: Sequence[Sample]) -> Answers:
        """Several files in a form."""
        answers: Answers = {}
        for some in batched(samples):
            parts = b"".join(
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{one.name}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n".encode()
                + one.data
                + b"\r\n"
                for one in some
            )
            headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            answers |= self._rows(some, self._ask("/v1/predict", parts + f"--{BOUNDARY}--\r\n".encode(), headers))
        return answers

    def in_json(self, samples: Sequence[Sample]) -> Answers:
        """Several files in base64."""
        answers: Answers = {}
        for some in batched(samples):
            body = json.dumps({"images": [base64.b64encode(one.data).decode() for one in some]}).encode()
            answers |= self._rows(some, self._ask("/v1/predict", body, {"Content-Type": "application/json"}))
        return answers

    def inference_bytes(self, samples: Sequence[Sample]) -> Answers:
        """Encoded files as a BYTES tensor."""
        answers: Answers = {}
        for some in batched(samples):
            tensor = b"".join(struct.pack("<I", len(one.data)) + one.data for one in some)
            answers |= self._infer(some, "BYTES", [len(some)], tensor)
        return answers

    def inference_pixels(self, samples: Sequence[Sample]) -> Answers:
        """vidi's decoded pixels at full size as a UINT8 tensor; where a request may not be so large, see `refusals`."""
        answers: Answers = {}
        for one in samples:
            pixels = decode_image(one.data).image
            if pixels.nbytes < BODY_BYTES - MOST_HEAD:
                answers |= self._infer([one], "UINT8", [1, *pixels.shape], pixels.tobytes())
            else:
                self.refusals[one.name] = self._announce(pixels.nbytes)
        return answers

    def _announce(self, byte_count: int) -> int:
        """The status for a body of so many bytes, of which none is sent."""
        self._connection.putrequest("POST", f"/v2/models/{quote(self._name())}/infer")
        self._connection.putheader("Content-Type", "application/octet-stream")
        self._connection.putheader("Content-Length", str(byte_count))
        self._connection.endheaders()
        status = self._connection.getresponse().status
        self._connection.close()  # the next request opens it again
        return status

    def _infer(self, samples: Sequence[Sample], datatype: str, shape: list[int], tensor: bytes) -> Answers:
        own = [name for name in ("probabilities", "novelty") if name in self._predictor.model.outputs]
        given = {
            "name": "images",
            "datatype": datatype,
            "shape": shape,
            "parameters": {"binary_data_size": len(tensor)},
        }
        head = json.dumps({"inputs": [given], "outputs": [{"name": name} for name in (*own, *TEXTS)]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
        document = self._ask(f"/v2/models/{quote(self._name())}/infer", head + tensor, headers)
        outputs = {one["name"]: one for one in document["outputs"]}
        rows = np.array(outputs["probabilities"]["data"], np.float32).reshape(outputs["probabilities"]["shape"])
        novelty = outputs["novelty"]["data"] if "novelty" in outputs else [None] * len(samples)
        labels, verdicts, candidates = (outputs[name]["data"] for name in TEXTS)
        return {
            one.name: HostAnswer(
                labels[index], verdicts[index], tuple(json.loads(candidates[index])), rows[index], novelty[index]
            )
            for index, one in enumerate(samples)
        }

    def _name(self) -> str:
        self._connection.request("GET", "/v1/models")
        name: str = json.loads(self._connection.getresponse().read())["models"][0]["name"]
        return name
