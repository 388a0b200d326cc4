"""Kafka topics as inputs: messages are turned into documents."""
