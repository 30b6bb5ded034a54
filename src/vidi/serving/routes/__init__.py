"""The paths of the server, each from a request to a response."""
