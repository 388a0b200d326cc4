"""Clock, errors, logging, shutdown, version."""
