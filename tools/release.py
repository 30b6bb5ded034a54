"""Build wheel and source, check both, and try each extra from the wheel alone: python tools/release.py [EXTRA ...]

Each extra gets a new environment, with the versions of constraints.txt and a CPU build of torch, and does there what it
is for. `demo` comes first: the other extras use the model that it trains. `base` is vidi without any extra.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DIST = ROOT / "dist"
BASE = "base"
RUN, PHOTOS = "runs/demo-faces", "runs/demo-faces/from-elsewhere"  # what `vidi demo` leaves
SHORT = ("--epochs", "1", "--set", "options.width=0.25")


def main(extras: Sequence[str]) -> None:
    """Build, check and try; the exit code is 1 where an extra failed."""
    wheel = build()
    with tempfile.TemporaryDirectory(prefix="vidi-release-") as name:
        chosen = dict.fromkeys(("demo", *extras)) if extras else TRIALS
        results = {extra: tried(extra, wheel, Path(name)) for extra in chosen}
    print("\n".join(["", *(f"{extra:12} {result}" for extra, result in results.items())]))
    if any(result.startswith("FAILED") for result in results.values()):
        sys.exit(1)
    print(f"dist/ is ready: {', '.join(path.name for path in sorted(DIST.iterdir()))}")


# The packages


def build() -> Path:
    """Make both packages, the wheel from the source package, and check them; the wheel's path."""
    shutil.rmtree(DIST, ignore_errors=True)
    python(ROOT / "tools" / "fetch_browser_runtime.py")
    python("-m", "build", "--outdir", DIST, ROOT)
    python("-m", "twine", "check", "--strict", *DIST.iterdir())
    (wheel,), (source,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        folder = next(name.partition("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(f"{folder}/METADATA"))
    with tarfile.open(source) as archive:
        held = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    wrong = [*wrong_in_wheel(names, folder), *wrong_in_source(held), *wrong_in_metadata(metadata)]
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB")
    print(f"{source.name}: {len(held)} files, {source.stat().st_size / 1e6:.1f} MB")
    return wheel


def wrong_in_wheel(names: Sequence[str], folder: str) -> list[str]:
    """What a wheel lacks, or has too much."""
    vendor = "vidi/export/web/vendor/ort-"
    needed = {
        "the licence": lambda name: name == f"{folder}/licenses/LICENSE",
        "py.typed": lambda name: name == "vidi/py.typed",
        "onnxruntime-web": lambda name: name.startswith(vendor) and name.endswith(".wasm"),
        "the licence of onnxruntime-web": lambda name: name.startswith(vendor) and name.endswith(".LICENSE.txt"),
        "the notices of onnxruntime-web": lambda name: name.startswith(vendor) and "ThirdPartyNotices" in name,
    }
    missing = [f"the wheel lacks {what}" for what, fits in needed.items() if not any(map(fits, names))]
    package = {name.removeprefix("src/") for name in known() if name.startswith("src/")}
    missing += [f"the wheel lacks {name}" for name in sorted(package - {*names})]
    return missing + [f"the wheel has {name}" for name in names if not name.startswith(("vidi/", f"{folder}/"))]


def wrong_in_source(held: set[str]) -> list[str]:
    """What a source package lacks of the files that git knows, but for those that only the repository needs."""
    needed = {name for name in known() if not name.startswith((".ci/", ".github/"))}
    return [f"the source package lacks {name}" for name in sorted(needed - held)]


def known() -> set[str]:
    """The files that git knows."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def wrong_in_metadata(metadata: Mapping[str, str]) -> list[str]:
    """Where a wheel's metadata differ from pyproject.toml."""
    stated = {
        "Version": PROJECT["version"],
        "License-Expression": PROJECT["license"],
        "Requires-Python": PROJECT["requires-python"],
    }
    return [f"{name} is {metadata[name]}, not {value}" for name, value in stated.items() if metadata[name] != value]


def python(*words: object) -> None:
    """Run this Python; what fails ends the release."""
    done = subprocess.run([sys.executable, *map(str, words)], check=False)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, words))}")


# The extras


@dataclass(frozen=True, slots=True)
class Environment:
    """A new environment with the wheel, and the folder in which it is tried."""

    bin: Path
    work: Path

    def vidi(self, *words: str, exit_code: int = 0) -> str:
        """What a command of vidi prints."""
        return self.run("vidi", *words, exit_code=exit_code)

    def python(self, program: str) -> str:
        """What a program prints."""
        return self.run("python", "-c", program)

    def run(self, *words: str, exit_code: int = 0) -> str:
        """What a command prints.

        Raises:
            TrialError: it ends with another exit code, or not within 20 minutes.
        """
        print(f"  $ {' '.join(words)[:110]}", flush=True)
        command = [str(self.bin / words[0]), *words[1:]]
        surroundings = {**os.environ, "VIDI_CACHE": str(self.work / "cache"), "PYTHONPATH": ""}
        try:
            done = subprocess.run(
                command, cwd=self.work, env=surroundings, capture_output=True, text=True, check=False, timeout=1200
            )
        except subprocess.TimeoutExpired as error:
            raise TrialError(f"{' '.join(words)} did not end within {error.timeout:.0f} s") from error
        if done.returncode != exit_code:
            raise TrialError(f"{' '.join(words)} ended with {done.returncode}: {(done.stderr or done.stdout)[-1500:]}")
        return done.stdout


class TrialError(Exception):
    """An extra did not do what it is for."""


class NotHereError(Exception):
    """An extra cannot be installed on this computer, through no fault of its own."""


def tried(extra: str, wheel: Path, folder: Path) -> str:
    """Install one extra in a new environment and use it; how it went."""
    print(f"\n{extra}", flush=True)
    work, home = folder / "work", folder / "environment"
    work.mkdir(exist_ok=True)
    begun = monotonic()
    try:
        environment = installed(extra, wheel, home, work)
        size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6
        TRIALS[extra](environment)
    except NotHereError as error:
        return f"not tried: {error}"
    except TrialError as error:
        print(f"  {error}")
        return f"FAILED: {error}".partition("\n")[0]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return f"tried, {size:,.0f} MB, {monotonic() - begun:.0f} s"


def installed(extra: str, wheel: Path, home: Path, work: Path) -> Environment:
    """A new environment that holds the wheel with one extra.

    Raises:
        NotHereError: what it needs is to be had for other computers only.
        TrialError: pip failed.
    """
    venv.create(home, with_pip=True, clear=True)
    environment = Environment(home / ("Scripts" if os.name == "nt" else "bin"), work)
    extras = [] if extra == BASE else [extra, *BESIDE.get(extra, ())]
    if "torch" in (needed := required(extras)) and sys.platform == "linux" and shutil.which("nvidia-smi") is None:
        builds = [name for name in ("torch", "torchvision") if name in needed]
        tool = [str(ROOT / "tools" / "install_cpu_torch"), str(environment.bin / "python"), *builds]
        if subprocess.run(tool, check=False).returncode:
            raise NotHereError(f"no CPU build of {' and '.join(builds)} was found, and there is no GPU")
    pip = (
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--constraint",
        str(ROOT / "constraints.txt"),
    )
    environment.run("python", *pip, f"{wheel}[{','.join(extras)}]" if extras else str(wheel))
    environment.run("python", "-m", "pip", "check")
    if "torchvision" in needed:
        try:
            environment.python("import torchvision")
        except TrialError as error:
            raise NotHereError("the torchvision that was found does not go with the CPU build of torch") from error
    return environment


def required(extras: Sequence[str]) -> set[str]:
    """The names of the packages that some extras bring; of timm's, torchvision too, which it needs."""
    found, waiting = set[str](), [*extras]
    while waiting:
        for text in PROJECT["optional-dependencies"][waiting.pop()]:
            if text.startswith("vidi["):
                waiting += text.removeprefix("vidi[").removesuffix("]").split(",")
            else:
                found.add(text.partition(">")[0])
    return found | ({"torchvision"} if "timm" in found else set())


def base(here: Environment) -> None:
    """Predicting, without torch."""
    here.vidi("--version")
    here.vidi("doctor")
    here.vidi("predict", RUN, PHOTOS)
    here.vidi("train", "digits", exit_code=2)  # says what to install


def train(here: Environment, *words: str) -> None:
    here.vidi("train", "digits", *SHORT, "--output", "runs/digits", "--overwrite", *words)


def timm(here: Environment) -> None:
    here.vidi(
        "train", "digits", "--network", "timm/resnet10t", "--pretrained", "none", "--epochs", "1", "--imgsz", "32"
    )


def tune(here: Environment) -> None:
    here.vidi("tune", "digits", "--minutes", "1", "--trials", "2", *SHORT)


def log(here: Environment) -> None:
    here.vidi("predict", RUN, PHOTOS, "--log", "log.db")
    here.vidi("log", "log.db")


def tables(here: Environment) -> None:
    here.python(
        "from pathlib import Path; import pyarrow as a, pyarrow.parquet as p;"
        f"paths = sorted(map(str, Path('{PHOTOS}').glob('*.png')));"
        "p.write_table(a.table({'path': paths, 'label': ['ab'[n % 2] for n in range(len(paths))]}), 'table.parquet')"
    )
    here.vidi("check", "table.parquet")


def video(here: Environment) -> None:
    here.python(
        "import av, numpy as np\n"
        "with av.open('clip.mp4', 'w') as file:\n"
        "    stream = file.add_stream('mpeg4', rate=10)\n"
        "    stream.width, stream.height, stream.pix_fmt = 64, 64, 'yuv420p'\n"
        "    for grey in range(30):\n"
        "        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 8 * grey, np.uint8), format='rgb24')\n"
        "        file.mux(stream.encode(frame))\n"
        "    file.mux(stream.encode())\n"
    )
    here.vidi("watch", RUN, "clip.mp4")


def serve(here: Environment) -> None:
    here.python(
        "import glob, subprocess, sys\n"
        "from pathlib import Path\n"
        "from urllib.request import Request, urlopen\n"
        f"words = [Path(sys.executable).with_name('vidi'), 'serve', '{RUN}', '--port', '0']\n"
        f"image = Path(sorted(glob.glob('{PHOTOS}/*.png'))[0]).read_bytes()\n"
        "with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:\n"
        "    try:\n"
        "        address = next(line.split()[-1] for line in server.stdout if line.startswith('listening on '))\n"
        "        predict = Request(f'{address}/v1/predict', image, {'Content-Type': 'image/png'})\n"
        "        for asked in (address, f'{address}/openapi.json', predict):\n"
        "            urlopen(asked, timeout=60).close()\n"
        "    finally:\n"
        "        server.terminate()\n"
    )


def heic(here: Environment) -> None:
    here.python(
        f"import glob\nimport pillow_heif\nfrom PIL import Image\nfile = sorted(glob.glob('{PHOTOS}/*.png'))[0]\n"
        "pillow_heif.from_pillow(Image.open(file).convert('RGB')).save('photograph.heic', quality=90)\n"
    )
    print(here.vidi("predict", RUN, "photograph.heic"))


def app(here: Environment) -> None:
    here.python(
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from urllib.request import urlopen\n"
        f"words = [Path(sys.executable).with_name('vidi'), 'app', '{PHOTOS}', '--no-browser', '--port', '0']\n"
        "with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:\n"
        "    try:\n"
        "        address = next(line.split()[1] for line in server.stdout if line.startswith('open '))\n"
        "        for file in ('', 'app.js', 'look.css', 'views/start.js'):\n"
        "            urlopen(address.partition('#')[0] + file, timeout=60).close()\n"
        "    finally:\n"
        "        server.terminate()\n"
    )


def tracked(name: str) -> Callable[[Environment], None]:
    """A training that a tracker follows."""
    return lambda here: train(here, "--track", name)


TRIALS: Mapping[str, Callable[[Environment], None]] = {
    "demo": lambda here: print(here.vidi("demo")),
    BASE: base,
    "report": lambda here: print(here.vidi("report", RUN)),
    "labels": lambda here: print(here.python("import cleanlab; print(cleanlab.__version__)")),
    "train": train,
    "hub": lambda here: print(here.python("import huggingface_hub as hub; print(hub.__version__)")),
    "timm": timm,
    "tune": tune,
    "log": log,
    "mlflow": tracked("mlflow"),
    "tensorboard": tracked("tensorboard"),
    "tables": tables,
    "ray": lambda here: print(here.vidi("predict", RUN, PHOTOS, "--ray", "local")),
    "heic": heic,
    "openvino": lambda here: print(here.vidi("predict", RUN, PHOTOS, "--engine", "openvino")),
    "video": video,
    "serve": serve,
    "app": app,
}
BESIDE: Mapping[str, tuple[str, ...]] = {"mlflow": ("train",), "tensorboard": ("train",)}  # they follow a training


if __name__ == "__main__":
    main(sys.argv[1:])
