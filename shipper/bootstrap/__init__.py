"""Settings become objects: the only folder that wires."""
