"""The metrics over HTTP: one small ASGI application, and a server for it in a thread."""
