"""Work beside the caller: items that a thread takes in order, and an import that takes seconds."""

import importlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class Background(Generic[Item]):
    """Gives items to a function in a thread of its own. A context: leaving it waits a while for what is left."""

    def __init__(
        self,
        take: Callable[[Sequence[Item]], None],
        *,
        name: str,
        most_waiting: int,
        most_together: int,
        last_seconds: float,
    ) -> None:
        """
        Args:
            take: receives items in their order, one or more at a time; it must not raise.
            most_waiting: items that wait; further ones are not accepted.
            most_together: items in one call of `take`.
            last_seconds: that leaving the context waits for what is left.
        """
        self._take, self._most, self._together, self._last = take, most_waiting, most_together, last_seconds
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Have what waits taken, as far as the time allows."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(self._last)

    def put(self, item: Item) -> bool:
        """Hand an item over, and return at once: whether there was room for it."""
        with self._changed:
            return self._put(item)

    def put_patiently(self, item: Item) -> bool:
        """Hand an item over, when there is room for it; False where the context has been left."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or len(self._waiting) < self._most)
            return self._put(item)

    def _put(self, item: Item) -> bool:
        if self._is_closing or len(self._waiting) >= self._most:
            return False
        self._waiting.append(item)
        self._changed.notify_all()
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    return
                together = [self._waiting.popleft() for _ in range(min(self._together, len(self._waiting)))]
                self._changed.notify_all()
            self._take(together)


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Import a module in a thread of its own while the block runs; at the block's end it is there.

    Raises:
        ImportError: as the import does, at the end of the block.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="vidi-import") as thread:
        imported = thread.submit(importlib.import_module, module)
        yield
        imported.result()
