"""`vidi --job FOLDER VERB …`: a command that the app has started. It holds the job's folder and reports there."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from vidi.cli.signals import interrupt
from vidi.cli.usage import explained
from vidi.errors import ANSWER_IS_NO, DONE, SOME_BAD, GateError
from vidi.files import FolderLock
from vidi.workflows.interaction.event_file import EventFile
from vidi.workflows.interaction.events import Ended

DONE_CODES = (None, DONE, SOME_BAD, ANSWER_IS_NO)  # of a command that has done its work
STOPPED = Ended("stopped", "It was stopped. What it had is kept.", "Continue it, or start again.")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[EventFile]:
    """Hold the folder of a job while its verb works; the last line of its events says how that ended.

    Raises:
        UsageError: another process holds it.
    """
    with FolderLock(folder):
        signal.signal(signal.SIGINT, interrupt)  # a shell's background ignores it
        file = EventFile(folder)
        file.open()
        try:
            yield file
        except SystemExit as ended:
            file.tell(Ended("finished") if ended.code in DONE_CODES else STOPPED)
            raise
        except GateError as error:  # the work is done
            file.tell(Ended("finished", error.cause, error.remedy))
            raise
        except Exception as error:
            told = explained(error)
            file.tell(Ended("failed", told.cause, told.remedy))
            raise
        except BaseException:
            file.tell(STOPPED)
            raise
        file.tell(Ended("finished"))
