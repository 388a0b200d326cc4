"""Seeded traffic for the sample application, with a truth file and optional faults."""
