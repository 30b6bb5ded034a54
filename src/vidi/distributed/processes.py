"""One training by several processes, followed from outside: what is lost is started again from the last checkpoint."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from vidi.distributed.shards import WorkerLostError
from vidi.errors import ResourceError
from vidi.report.words.counting import count_of
from vidi.training.loop.checkpoint import decode
from vidi.training.loop.context import TrainingContext
from vidi.training.loop.keeper import Keeper, Told
from vidi.training.loop.state import State, restore_state
from vidi.training.parallel.batch_norm import require_shareable

MOST_LOSSES: Final = 4  # one after the other, without a checkpoint between them
LOOK_SECONDS: Final = 0.5  # between two looks at the processes
PATIENCE_SECONDS: Final = 300.0  # without a step
HOW_TO_GO_ON: Final = "The run goes on from its last checkpoint: vidi train --resume RUN, with any --processes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen of the processes."""

    told: Told
    end: bytes | None = None  # the last checkpoint, once all have ended


class TrainingCrew(Protocol):
    """Processes that train together; Ray's, or a test's."""

    def start(self, context: TrainingContext, checkpoint: bytes) -> int:
        """Have them begin, as many as there is room for; how many they are.

        Raises:
            WorkerLostError: one was lost meanwhile.
        """

    def look(self, seconds: float) -> Look:
        """What is new; waits for the end at most this long.

        Raises:
            WorkerLostError: one is gone.
            VidiError: the training itself failed, as it would in one process.
        """

    def find_hanging(self) -> str:
        """Those that do not answer, in words."""

    def ask_to_stop(self) -> None:
        """The user wants an end."""

    def end(self) -> None:
        """End them, whatever they do."""


@dataclass(slots=True, kw_only=True)
class ProcessTrainer:
    """Carries out trainings by a crew, in place of this process."""

    crew: TrainingCrew
    say: Callable[[str], None]
    patience: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic
    losses: int = field(default=0, init=False)  # of processes, so far

    def __call__(self, state: State, context: TrainingContext, keeper: Keeper) -> None:
        """Train a state to its end; checkpoints are kept here, so that any number of processes can go on with them.

        Raises:
            ResourceError: processes were lost too often.
            VidiError: as in one process.
        """
        recipe = context.recipe
        require_shareable(state.network, called=recipe.network, frozen_batch_norm=recipe.frozen_batch_norm)
        checkpoint, in_a_row, size = keeper.as_bytes(state), 0, 0
        while True:
            begun = checkpoint
            try:
                size = self._start(context, checkpoint, before=size)
                for look in self._looks(context):
                    checkpoint = look.told.checkpoint or checkpoint
                    keeper.pass_on(look.told)
                    if look.end is not None:
                        end = decode(look.end, name="the last checkpoint")
                        restore_state(state, end.tensors, values=end.values)
                        return
            except WorkerLostError as error:
                self.crew.end()
                self.losses += 1
                in_a_row = in_a_row + 1 if checkpoint == begun else 1
                if in_a_row >= MOST_LOSSES:
                    raise ResourceError(
                        f"training processes were lost {in_a_row} times in a row: {error}",
                        f"Look at Ray's logs. {HOW_TO_GO_ON}",
                    ) from error
                self.say(f"{error}; all begin again from the last checkpoint")
            except BaseException:
                self.crew.end()
                raise

    def _start(self, context: TrainingContext, checkpoint: bytes, *, before: int) -> int:
        size = self.crew.start(context, checkpoint)
        if size != before:
            self.say(f"training by {count_of(size, 'process')}")
        return size

    def _looks(self, context: TrainingContext) -> Iterator[Look]:
        """What is seen, time after time."""
        step, moved, is_asked = -1, self.clock(), False
        while True:
            look = self.crew.look(LOOK_SECONDS)
            yield look
            if look.told.step != step:
                step, moved = look.told.step, self.clock()
            elif self.clock() - moved > self.patience:
                hanging = self.crew.find_hanging()
                raise WorkerLostError(f"no step in {self.patience:g} s ({hanging})")
            if context.should_stop() and not is_asked:
                self.crew.ask_to_stop()
                is_asked = True
