"""`vidi serve` in a process that notes the files which it opens: `python -m tests.serving.noted NOTES serve …`."""

import os
import sys

from vidi.cli.app import main

if __name__ == "__main__":
    notes = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(event: str, values: tuple[object, ...]) -> None:
        """Write down a path, one in a line."""
        if event == "open" and isinstance(values[0], str | bytes):
            os.write(notes, os.fsencode(values[0]).replace(b"\n", b"?") + b"\n")

    sys.addaudithook(note)
    main()
