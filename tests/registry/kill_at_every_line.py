"""A process that promotes and rolls back and dies at the n-th line of the registry, for many n: run by a test.

`python kill_at_every_line.py FOLDER MODEL_A MODEL_B STEP` prints a line of JSON for each death: the step, the model in
use after it, the one that the history names, and what the next process finds wrong. STEP lines lie between deaths.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from types import FrameType

from vidi.model_file.read import read_model
from vidi.registry import HISTORY, LockedName, read_history
from vidi.workflows.promote import promote, roll_back
from vidi.workflows.requests.in_use import PromoteRequest, RollbackRequest

WATCHED = ("/vidi/registry/", "/vidi/files.py", "/vidi/workflows/promote.py")
OTHER_CODE = 9  # of a process that came to its end


def die_at(line: int) -> None:
    """End this process, as SIGKILL would, before the n-th line that it runs in the watched files."""
    left = line

    def look(frame: FrameType, event: str, _: object):
        nonlocal left
        if not any(part in frame.f_code.co_filename for part in WATCHED):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os._exit(0)
        return look

    sys.settrace(look)


def attempt(step, line: int) -> bool:
    """Whether a step dies at this line; False where it ends before."""
    child = os.fork()
    if child == 0:
        die_at(line)
        step()
        os._exit(OTHER_CODE)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != OTHER_CODE


def main() -> None:
    root, first, second = map(Path, sys.argv[1:4])
    further = int(sys.argv[4])
    folder, pristine = root / "faces", root.parent / "pristine"
    promote(PromoteRequest(model=first, name="faces"), root=root)
    steps = {
        "promote": lambda: promote(PromoteRequest(model=second, name="faces"), root=root),
        "rollback": lambda: roll_back(RollbackRequest(name="faces"), root=root),
    }
    for name, step in steps.items():
        shutil.rmtree(pristine, ignore_errors=True)
        shutil.copytree(folder, pristine)
        line = 1
        while attempt(step, line):
            used = read_model(folder)  # whole, and with the digest that it states
            told = read_history(folder)
            with LockedName(folder) as held:  # what the next process finds
                left = [entry.name for entry in held.folder.iterdir() if entry.name.startswith(".vidi")]
                entered = len((folder / HISTORY).read_text("utf-8").splitlines()) - len(told)
            print(json.dumps({"step": name, "used": used.model_id, "told": told[-1].model, "wrong": [*left, entered]}))
            shutil.rmtree(folder)
            shutil.copytree(pristine, folder)
            line += further


if __name__ == "__main__":
    main()
