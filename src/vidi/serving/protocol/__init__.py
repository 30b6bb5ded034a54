"""Below ASGI: the server's sockets, what a connection may do and how long it may take, and the graceful stop."""
