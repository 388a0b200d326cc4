"""File inputs: discovery, rotation, reading and container metadata."""
