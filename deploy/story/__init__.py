"""The whole story, from a refused login to the message that somebody gets, on this machine alone."""
