"""Why a server is not there."""


class Unavailable(Exception):
    """A server cannot be had on this machine; the text says what is missing."""
