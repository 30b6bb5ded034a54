"""Listeners: one that keeps what a workflow reports, one that interrupts it."""

import os
import signal

from vidi.workflows.interaction.events import Event, Events, Message, StepDone


class Heard:
    """Every event so far; a workflow takes `events`."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self.events = Events(self.all.append)

    @property
    def sentences(self) -> list[str]:
        return [event.sentence for event in self.all if isinstance(event, Message)]


def interrupt_at_step(number: int, *, after: str = "") -> Events:
    """Sends Ctrl-C to this process at a step of training; with `after`, counted after a message that begins so."""
    sentence, steps = "", 0

    def tell(event: Event) -> None:
        nonlocal sentence, steps
        match event:
            case Message(sentence):
                pass
            case StepDone() if sentence.startswith(after):
                steps += 1
                if steps == number:
                    os.kill(os.getpid(), signal.SIGINT)

    return Events(tell)
