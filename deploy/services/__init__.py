"""Real servers as private processes on loopback ports, for the story and for the tests; none is the system's."""
