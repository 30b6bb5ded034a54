"""The Open Inference Protocol, version 2: pure functions between bytes and frozen values; no web server."""
