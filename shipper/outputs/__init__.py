"""Outputs: stores and message brokers that documents are written to."""
