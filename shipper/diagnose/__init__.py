"""Explain lines, check an installation, run tests of rules."""
