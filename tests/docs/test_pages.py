"""Every command and example on the pages is run as a reader would run it, in a folder of drawn images."""

import contextlib
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Done, vidi
from tests.docs.pages import PAGES, ROOT, Command, blocks, commands, first_missing
from tests.docs.workshop import set_up
from vidi.cli.app import VERBS

pytestmark = pytest.mark.usefixtures("undrawn")

FROM_NOTHING = ("docs/tutorial.md", "docs/how-to/train.md")  # these train the run that others start from
RUN = ("console", "python")
OWN_TEST = (
    "docs/model-file.md",  # tests/model_file/test_docs.py runs its examples without vidi
    "docs/how-to/serve.md",  # tests/docs/test_serve.py runs it beside servers
    "docs/presence.md",  # tests/docs/test_presence.py runs it beside a server
)
NOT_RUN = re.compile(
    r"make \w+|git clone .*|pip install .*|vidi demo.*|vidi fetch .*|vidi (train|tune) --resume .*"
    r"|vidi review (?!.*--export).*"
    r"|vidi (promote|retrain|forget) .*|vidi check .* --suspects.*"
    r"|vidi tune .* --storage .*|vidi export .* --to (web|int8) .*"
    r"|(aws|gcloud) .*|optuna-dashboard .*|kubectl .*"
    r"|python -m http.server .*|python tools/fetch_browser.*"
)
NEEDS = {  # packages beside vidi's own
    "docs/how-to/track.md": ("mlflow", "tensorboardX"),
    "docs/how-to/hugging-face.md": ("datasets",),
}
IN_MINUTES = ("README.md", "docs/tutorial.md", *(f"docs/how-to/{one}.md" for one in ("check", "predict", "train")))
QUICK = "--epochs 2"  # what the tests add to a training, so that they take seconds


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def quick(line: str) -> str:
    """The command with a short training; nothing else is changed."""
    if line.startswith("vidi tune "):
        return f"{line} --trials 2 {QUICK} --set options.width=0.25"
    if not line.startswith("vidi train ") or "--preview" in line:
        return line
    narrow = "" if "--network" in line or "options." in line else " --set options.width=0.25"
    return f"{line} {QUICK}{narrow}"


def run(line: str, folder: Path) -> Done:
    """One line of a shell, with both outputs in the order in which a terminal shows them.

    A plain `vidi …` runs in this process, which has imported already what it needs.
    """
    words = shlex.split(line)
    if words[0] == "vidi" and not set("|&;<>$*") & set(line):
        return vidi(*words[1:], folder=folder, merged=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=240,
    )
    return Done(done.returncode, done.stdout, "")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn images, with the run that most pages start from."""
    folder = tmp_path_factory.mktemp("workshop")
    set_up(folder)
    done = run(quick("vidi train photos"), folder)
    assert done.returncode == 0, done.stdout
    shutil.copytree(folder / "runs" / "photos", folder / "runs" / "demo-faces")  # stands in for the demo's run
    return folder


def check_command(command: Command, folder: Path) -> None:
    done = run(quick(command.line), folder)
    shown = f"$ {command.line}\n{done.stdout}"
    assert done.returncode == command.exit_code, f"exit code {done.returncode}, not {command.exit_code}:\n{shown}"
    missing = first_missing(command.expected, done.stdout)
    assert missing is None, f"not printed, or not in this place: {missing}\n{shown}"


def check_example(example: str, folder: Path) -> None:
    """An example runs as a program of its own: it warns of nothing, and writes nothing to standard error."""
    program, shown = folder / "example.py", io.StringIO()
    program.write_text(example, "utf-8")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(shown):
        runpy.run_path(str(program), run_name="__main__")
    program.unlink()
    assert shown.getvalue() == "", example


def cases() -> list[object]:
    """The pages with something to run, those that most begin with in `make test`; other people's packages warn."""
    pages = [page for page in PAGES if blocks(page, *RUN) and named(page) not in OWN_TEST]
    marks = {
        page: [
            # It runs vidi once for each command, and trains.
            pytest.mark.slow if named(page) in IN_MINUTES else pytest.mark.integration,
            *([pytest.mark.filterwarnings("ignore")] if named(page) in NEEDS else []),
        ]
        for page in pages
    }
    return [pytest.param(page, id=named(page), marks=marks[page]) for page in pages]


@pytest.mark.parametrize("page", cases())
def test_every_command_and_example_of_the_page_does_what_it_shows(page: Path, workshop: Path, tmp_path: Path):
    for package in NEEDS.get(named(page), ()):
        pytest.importorskip(package, reason=f"needs:{package}")
    folder = tmp_path / "work"
    if named(page) in FROM_NOTHING:
        folder.mkdir()
        set_up(folder)
    else:
        shutil.copytree(workshop, folder)

    for kind, block in blocks(page, *RUN):
        if kind == "python":
            check_example(block, folder)
        else:
            for command in commands(block):
                check_command(command, folder)


def test_what_is_shown_and_not_run_is_only_set_up_demo_download_and_going_on_after_a_stop():
    shown = [line for page in PAGES for _, block in blocks(page, "sh", "bash", "shell") for line in block.splitlines()]

    assert [line for line in shown if not NOT_RUN.fullmatch(line)] == []


def test_every_verb_is_explained_by_a_page():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")

    assert [verb for verb in VERBS if f"`vidi {verb}`" not in index] == []


def anchor_of(heading: str) -> str:
    """The part of an address by which GitHub names a heading.

    >>> anchor_of("## What `check` finds: 1 or 2")
    'what-check-finds-1-or-2'
    """
    words = re.sub(r"\]\([^)]*\)|[`*\[\]]", "", heading.lstrip("# ").lower())
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def anchors_of(page: Path) -> list[str]:
    """The headings of a page, which addresses may name."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [anchor_of(heading) for heading in re.findall(r"^#+ .*$", text, re.MULTILINE)]


def test_every_link_between_pages_leads_somewhere():
    dead = []
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            if not link.startswith("http") and not (target.exists() and (not anchor or anchor in anchors_of(target))):
                dead.append(f"{named(page)}: {link}")

    assert dead == []


def test_the_runner_notices_what_was_not_printed():
    printed = "found 3 = used 3\nwritten: a.csv  (rule v1)\n"

    assert first_missing(("found 3 …", "…", "written: a.csv (rule v1)"), printed) is None
    assert first_missing(("written: a.csv …", "found 3 …"), printed) == "found 3 …"
    assert list(commands("$ vidi runs\n$ echo $?\n2\n")) == [Command("vidi runs", (), 2)]
