"""Inputs, one folder per kind."""
