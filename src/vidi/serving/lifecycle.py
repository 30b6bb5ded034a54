"""Whether a server is stopping, and what stands against sending requests to it."""


class Lifecycle:
    """Written by the server, read by `/readyz`."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.complaints: list[str] = []  # sentences, such as that a new model file was refused
