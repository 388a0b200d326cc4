"""Real servers as private processes on loopback ports, for the story and the tests, separate from the system's."""
