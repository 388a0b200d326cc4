"""Explain lines, check an installation, run people's tests of their rules."""
