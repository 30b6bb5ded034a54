"""The same answer over HTTP: one ASGI app around model files, and the server that runs it."""
