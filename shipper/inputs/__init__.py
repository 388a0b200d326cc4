"""Inputs, one folder a kind."""
