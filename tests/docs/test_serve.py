"""Everything on the page about the server is run against real servers, in the page's order."""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from tests.command import Done, vidi
from tests.docs.pages import ROOT, Command, commands, first_missing
from tests.docs.workshop import put
from tests.model_file.tiny import tiny_metadata, tiny_network
from tests.processes import PATIENCE, free_port
from vidi.model_file.metadata import Provenance
from vidi.model_file.write import write_model

PAGE = (ROOT / "docs" / "how-to" / "serve.md").read_text("utf-8").partition("## Open Inference Protocol")[0]
ADDRESS = "localhost:8000"  # as the page says it
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHOWN_TOKEN = re.compile(r"access token, shown only now: (\S+)")
NODE, NGINX = shutil.which("node"), shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def set_up(folder: Path) -> None:
    """Model files and images under the names of the pages."""
    classes = ("bark", "flower", "leaf")
    for run in ("photos", "demo-faces"):
        path = folder / "runs" / run / "model.onnx"
        path.parent.mkdir(parents=True)
        metadata = tiny_metadata()
        write_model(
            path,
            tiny_network(),
            type(metadata)(classes=classes, framing=metadata.framing, provenance=Provenance(run=run)),
        )
    put(folder / "new" / "garden-1.jpg", "flower", 201)
    (folder / "new" / "broken.jpg").write_bytes(b"<html>404 not found</html>")


class Reader:
    """The page's commands run in a folder, beside the server that the page started last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.started = ""  # the command of the server that runs
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(folder / "settings"),
        }
        self._server: subprocess.Popen[str] | None = None

    def here(self, text: str) -> str:
        """A text of the page with the port of the server here."""
        return text.replace(ADDRESS, f"localhost:{self.port}")

    def start(self, command: Command) -> None:
        """Start a server, and hold what it says to the page."""
        self.stop()
        words = [*command.line.split(), "--port", str(self.port)]
        self._server = subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.started = command.line
        said = "".join(self._said_until("Ctrl-C stops it"))
        missing = first_missing(tuple(line.replace(":8000", f":{self.port}") for line in command.expected), said)
        assert missing is None, f"not said: {missing}\n{said}"
        if shown := SHOWN_TOKEN.search(said):
            self.environment["VIDI_TOKEN"] = shown[1]

    def _said_until(self, last: str) -> Iterator[str]:
        """The lines that the server says, to the one that begins with the last words."""
        assert self._server is not None
        assert self._server.stderr is not None
        said = []
        for line in self._server.stderr:
            said.append(line)
            yield line
            if line.startswith(last):
                return
        code, self._server = self._server.wait(), None
        raise AssertionError(f"{self.started}: ended with {code}\n{''.join(said)}")

    def run(self, command: Command) -> None:
        """Run another command, and hold its exit code and what it prints to the page."""
        done = self.ended(self.here(command.line))
        assert done.returncode == command.exit_code, f"$ {command.line}\n{done.stdout}{done.stderr}"
        printed = done.stdout + done.stderr
        missing = first_missing(command.expected, printed)
        assert missing is None, f"$ {command.line}: not printed: {missing}\n{printed}"

    def ended(self, line: str) -> Done | subprocess.CompletedProcess[str]:
        """A line of a shell, when it has ended; a plain `vidi …` runs here, where what it needs is imported."""
        words = shlex.split(line)
        if words[0] == "vidi" and not set("|&;<>$*") & set(line):
            with patch.dict(os.environ, self.environment):
                return vidi(*words[1:], folder=self.folder)
        return self._ended("sh", "-c", line)

    def program(self, *words: object) -> str:
        """What a program prints."""
        done = self._ended(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _ended(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, words)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def stop(self) -> None:
        """End the server as an operator does."""
        if self._server is None:
            return
        self._server.terminate()
        _, said = self._server.communicate(timeout=PATIENCE)
        assert self._server.returncode == 0, said
        self._server, self.started = None, ""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    set_up(tmp_path)
    one = Reader(tmp_path)
    try:
        yield one
    finally:
        one.stop()


def sections() -> list[str]:
    """The parts of the page that show something to run."""
    parts = PAGE.split("\n## ")
    return [part for part in parts if {kind for kind, _ in BLOCK.findall(part)} & {"console", "python", "js"}]


def title_of(section: str) -> str:
    return section.partition("\n")[0].removeprefix("# ")


def cases() -> list[object]:
    """The sections, each with servers of its own; `make test` runs the first."""
    shown = [one for one in sections() if "vidi.serving" not in one]
    return [
        pytest.param(one, id=title_of(one), marks=pytest.mark.integration if number else pytest.mark.slow)
        for number, one in enumerate(shown)
    ]


@pytest.mark.parametrize("section", cases())
def test_every_command_and_client_of_the_section_does_what_it_shows(section: str, reader: Reader):
    blocks = BLOCK.findall(section)
    if "js" in {kind for kind, _ in blocks} and NODE is None:
        pytest.skip("needs:node")
    if not re.search(r"^\$ vidi serve", section, re.MULTILINE):
        reader.start(Command("vidi serve runs/photos", (), 0))

    for kind, block in blocks:
        if kind == "console":
            for command in commands(block):
                (reader.start if command.line.startswith("vidi serve") else reader.run)(command)
        if kind in ("python", "js"):
            if not reader.started:
                reader.start(Command("vidi serve runs/photos", (), 0))
            check_client(reader, kind, block)


def check_client(reader: Reader, kind: str, block: str) -> None:
    """Run a client, and compare what it prints with what the server answers."""
    program = reader.folder / {"python": "client.py", "js": "client.mjs"}[kind]
    program.write_text(reader.here(block), "utf-8")
    with (reader.folder / "new" / "garden-1.jpg").open("rb") as file:
        answered = httpx.post(f"http://localhost:{reader.port}/v1/predict", files={"image": file}).json()

    printed = reader.program(sys.executable if kind == "python" else NODE, program)

    (row,) = answered["predictions"]
    assert printed.startswith(f"garden-1.jpg {row['label']} ")


@pytest.mark.integration  # starts a server
def test_nginx_in_front_limits_the_rate_and_passes_the_rest_on(reader: Reader):
    if NGINX is None:
        pytest.skip("needs:nginx")
    (command,) = (one for one in commands(block_with("--behind-proxy")) if "vidi serve" in one.line)
    reader.start(command)
    token = (reader.folder / "token").read_text("utf-8").strip()
    with in_front(reader, block_with("limit_req_zone")) as port:
        address = f"https://127.0.0.1:{port}"
        headers = {"Host": "shop.example", "Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=address, headers=headers, verify=False) as client:  # noqa: S501 - its own certificate
            listed = client.get("/v1/models")
            statuses = {client.get("/healthz").status_code for _ in range(200)}

    assert listed.json()["models"][0]["name"] == "photos"
    assert statuses == {200, 429}


def block_with(words: str) -> str:
    (found,) = (block for _, block in BLOCK.findall(PAGE) if words in block)
    return found


@contextlib.contextmanager
def in_front(reader: Reader, configuration: str) -> Iterator[int]:
    """nginx with the page's configuration, on a port of its own; its files lie in the reader's folder."""
    port, folder = free_port(), reader.folder
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example -keyout shop.key -out shop.pem"
    reader.program(*words.split())
    changes = {
        "listen 443": f"listen 127.0.0.1:{port}",
        "127.0.0.1:8000": f"127.0.0.1:{reader.port}",
        "/etc/ssl/shop.example.pem": f"{folder}/shop.pem",
        "/etc/ssl/shop.example.key": f"{folder}/shop.key",
    }
    for before, after in changes.items():
        assert before in configuration
        configuration = configuration.replace(before, after)
    kept = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"daemon off; pid {folder}/nginx.pid; events {{}} http {{ access_log off; {kept} {configuration} }}"
    (folder / "nginx.conf").write_text(whole, "utf-8")
    words = [str(NGINX), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/nginx.log"]
    nginx = subprocess.Popen(words)
    try:
        connect_soon(port, nginx)
        yield port
    finally:
        nginx.terminate()
        nginx.wait(PATIENCE)


def connect_soon(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens on the port."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
            return
    raise AssertionError(f"it ended with {process.returncode}")


@pytest.mark.integration  # starts a server
def test_the_application_of_ones_own_answers_where_it_is_mounted(reader: Reader):
    (reader.folder / "shop.py").write_text(block_with("from vidi.serving import app"), "utf-8")
    command = [sys.executable, "-m", "uvicorn", "shop:site", "--port", str(reader.port), "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=reader.folder, stderr=subprocess.DEVNULL)
    try:
        connect_soon(reader.port, server)
        with httpx.Client(base_url=f"http://127.0.0.1:{reader.port}/vision") as client:
            files = {"image": (reader.folder / "new" / "garden-1.jpg").read_bytes()}
            answered = client.post("/v1/predict", files=files)
            paths = client.get("/openapi.json").json()
    finally:
        server.terminate()
        server.wait(PATIENCE)

    assert answered.json()["model"]["name"] == "photos"
    assert paths["servers"] == [{"url": "/vision"}]
