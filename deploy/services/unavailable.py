"""The exception for a missing server."""


class Unavailable(Exception):
    """A server is not available on this machine; the text says what is missing."""
