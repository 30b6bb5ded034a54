"""What runs the server elsewhere: container file, Kubernetes manifests and systemd unit, held to the server itself."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.command import vidi
from tests.draw import draw, encoded
from tests.model_file.tiny import tiny_model
from tests.processes import PATIENCE, free_port

from vidi.serving.engine.telemetry import ServerMetrics
from vidi.serving.routes.openapi import openapi_document
from vidi.serving.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINER = DEPLOY / "Containerfile"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNIT = DEPLOY / "vidi.service"
TOKEN = "0123456789abcdef"  # noqa: S105 - of the tests
MOST_EXPOSED = 1.5  # of 10, as systemd counts what a service may do


def tool(name: str) -> Path:
    """A program that came with the test tools."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"needs:{name}")
    return path


def documents() -> list[dict]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text("utf-8"))]


def of_kind(kind: str) -> dict:
    (found,) = (document for document in documents() if document["kind"] == kind)
    return found


def pod() -> dict:
    return of_kind("Deployment")["spec"]["template"]["spec"]


def container() -> dict:
    (found,) = pod()["containers"]
    return found


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a container file: (word, the rest on one line)."""
    lines = "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))
    return [tuple(line.split(None, 1)) for line in re.sub(r"\\\n\s*", "", lines).splitlines()]


def given(word: str) -> str:
    """The last instruction of the container file that begins with a word."""
    return [rest for one, rest in instructions(CONTAINER.read_text("utf-8")) if one == word][-1]


# Container.


def test_hadolint_has_nothing_to_say_of_the_container_file():
    done = subprocess.run([tool("hadolint"), CONTAINER], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_container_runs_as_a_user_of_no_rights_and_stops_by_sigterm():
    user = given("USER")

    assert int(user.split(":")[0]) >= 10_000
    assert given("STOPSIGNAL") == "SIGTERM"
    assert json.loads(given("ENTRYPOINT")) == ["vidi", "serve"]


def test_nothing_that_the_container_file_copies_is_kept_from_it():
    ignored = CONTAINER.with_name("Containerfile.dockerignore").read_text("utf-8").splitlines()
    copied = [rest.split()[:-1] for word, rest in instructions(CONTAINER.read_text("utf-8")) if word == "COPY"]
    names = {name for parts in copied for name in parts if not parts[0].startswith("--from")}

    assert names == {line[1:] for line in ignored if line.startswith("!")}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """What the container file makes, made by its own commands in a folder instead of a container."""
    with tempfile.TemporaryDirectory(prefix="vidi-image-") as name:  # pytest's own folders are closed to other users
        Path(name).chmod(0o755)
        build(Path(name))
        tiny_model(Path(name) / "model.onnx").path.chmod(0o644)
        yield Path(name) / "opt" / "vidi"


def build(folder: Path) -> None:
    """Run the commands of the container file, with its folders in another folder."""
    places = {"/src": folder / "src", "/opt/vidi": folder / "opt" / "vidi", "/wheels": folder / "wheels"}

    def here(line: str) -> str:
        return re.sub(r"(?<![\w.])(/src|/opt/vidi|/wheels)\b", lambda found: str(places[found[0]]), line)

    (folder / "src").mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for word, rest in instructions(CONTAINER.read_text("utf-8")):
        if word == "COPY" and not rest.startswith("--from"):
            *names, _ = rest.split()
            for name in names:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, folder / "src" / name)
        if word == "RUN":
            done = subprocess.run(
                ["sh", "-c", here(rest)],
                cwd=folder / "src",
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
                timeout=280,
            )
            if "Could not find a version" in done.stderr or "Connection" in done.stderr:
                pytest.skip("needs:a package index")
            assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"


@pytest.fixture
def contained(image: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The container file's command on a port of its own; as its user, on a read-only system where that is possible."""
    port = free_port()
    words = [*json.loads(given("ENTRYPOINT")), *json.loads(given("CMD")), "--port", str(port)]
    words = [word.replace("/models", str(image.parents[1])) for word in words]
    environment = {"PATH": f"{image}/bin{os.pathsep}{os.environ['PATH']}", "VIDI_TOKEN": TOKEN, "HOME": "/nonexistent"}
    process = subprocess.Popen(
        [*locked_up(image / "bin" / "python"), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield process, port
    finally:
        process.kill()
        process.communicate()


def locked_up(python: Path) -> list[str]:
    """Words before a command: no rights, a read-only system, and the container's user if it has this Python."""
    starts_itself = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    for user in (given("USER").split(":", maxsplit=1)[0], str(os.getuid())):
        script = (
            "mount --make-rprivate / && mount -o remount,bind,ro / && exec setpriv "
            f'--reuid {user} --regid {user} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"'
        )
        words = ["unshare", "--mount", "sh", "-ec", script, "sh"]
        tried = [*words, python, "-c", starts_itself]
        if shutil.which("unshare") and subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return words
    return []


@pytest.mark.integration  # builds a wheel, installs it and all that it needs
def test_the_container_files_commands_make_a_server_that_answers_and_stops(image: Path, contained):
    process, port = contained
    request = urllib.request.Request(
        f"http://localhost:{port}/v1/predict",
        encoded(draw("disc", size=(16, 16)), format="PNG"),
        {"Content-Type": "image/png", "Authorization": f"Bearer {TOKEN}"},
    )
    health = given("HEALTHCHECK").partition("CMD ")[2].replace(":8000/", f":{port}/")

    with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
        document = json.load(response)
    healthy = subprocess.run([f"{image}/bin/python", *json.loads(health)[1:]], check=False)
    process.send_signal(signal.SIGTERM)
    code = process.wait(PATIENCE)

    assert document["model"]["name"] == "model"
    assert document["account"]["used"] == 1
    assert (healthy.returncode, code) == (0, 0)


@pytest.mark.integration  # installs as above
def test_the_container_holds_no_torch_and_is_as_large_as_the_page_says(image: Path):
    packages = next((image / "lib").glob("python*/site-packages"))
    size = sum(path.lstat().st_size for path in image.rglob("*") if not path.is_dir()) / 1_000_000
    page = (ROOT / "docs" / "how-to" / "serve.md").read_text("utf-8")
    stated = re.search(r"(\d+) MB beside Python", page)

    assert stated is not None
    assert size == pytest.approx(int(stated[1]), rel=0.15)  # wheels differ from system to system
    assert not [path.name for path in packages.iterdir() if re.match(r"(torch|pip|sklearn|matplotlib)\b", path.name)]


# Kubernetes.


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes_knows_every_field_of_the_manifest(path: Path):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs:kubernetes-validate")

    documents = list(yaml.safe_load_all(path.read_text("utf-8")))
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_probes_ask_paths_that_are_open_to_all():
    paths = openapi_document(["model"], Settings(), version="0")["paths"]

    asked = [container()[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")]
    assert asked == ["/readyz", "/readyz", "/healthz"]
    assert [path for path in asked if paths[path]["get"]["security"] != []] == []


def test_the_pod_waits_longer_than_the_server_takes_to_stop():
    wait = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])

    assert pod()["terminationGracePeriodSeconds"] >= wait + Settings().stop_seconds + 5


def test_the_autoscaler_counts_what_the_server_measures():
    (metric,) = of_kind("HorizontalPodAutoscaler")["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    target = int(metric["pods"]["target"]["averageValue"])
    workers = int(next(word for word in container()["args"] if word.startswith("--workers=")).partition("=")[2])

    assert name in {family.name for family in ServerMetrics().registry.collect()}
    assert workers < target < Settings().in_flight
    assert int(container()["resources"]["requests"]["cpu"]) == workers


def test_the_manifests_speak_of_one_another():
    name = {"app.kubernetes.io/name": "vidi"}
    service, deployment, policy = map(of_kind, ("Service", "Deployment", "NetworkPolicy"))

    assert service["spec"]["selector"] == name
    assert deployment["spec"]["template"]["metadata"]["labels"] == name
    assert policy["spec"]["podSelector"]["matchLabels"] == name
    assert of_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (volume,) = pod()["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == of_kind("PersistentVolumeClaim")["metadata"]["name"]
    assert str(pod()["securityContext"]["runAsUser"]) == given("USER").split(":")[0]
    assert str(container()["ports"][0]["containerPort"]) == given("EXPOSE")


# Words that the server takes.


def unit() -> list[tuple[str, str]]:
    lines = (line for line in UNIT.read_text("utf-8").splitlines() if "=" in line and not line.startswith("#"))
    return [tuple(line.split("=", 1)) for line in lines]


def started_by_unit() -> list[str]:
    return shlex.split(dict(unit())["ExecStart"])[2:]


@pytest.mark.parametrize(
    "words",
    [json.loads(given("CMD")), container()["args"], started_by_unit()],
    ids=["container", "kubernetes", "systemd"],
)
def test_the_server_takes_the_words_and_lacks_nothing_but_the_model(words: list[str], tmp_path: Path):
    words = [word.replace("${CREDENTIALS_DIRECTORY}", str(tmp_path)) for word in words]

    done = vidi("serve", *words, folder=tmp_path)

    assert done.returncode == 4, done.stderr
    assert "model.onnx" in done.stderr


# systemd.


@pytest.fixture
def unit_here(tmp_path: Path) -> Path:
    """The unit with a program that exists in the place of the installed one."""
    path = tmp_path / "vidi.service"
    path.write_text(UNIT.read_text("utf-8").replace("/opt/vidi/bin/vidi", shutil.which("true") or "true"), "utf-8")
    return path


def analyzed(*words: object) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs:systemd-analyze")
    environment = {**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_EMOJI": "0"}
    return subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False, env=environment
    )


def test_systemd_understands_the_unit(unit_here: Path):
    done = analyzed("verify", unit_here)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_leaves_little_that_a_broken_server_could_do(unit_here: Path):
    done = analyzed("security", "--offline=true", unit_here)

    found = re.search(r"exposure level for .*: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= MOST_EXPOSED


def test_the_unit_waits_longer_than_the_server_takes_to_stop():
    assert int(dict(unit())["TimeoutStopSec"]) >= Settings().stop_seconds + 5
