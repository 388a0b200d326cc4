"""The reason that a server is not available."""


class Unavailable(Exception):
    """A server cannot be had on this machine; the text says what is missing."""
