"""Kafka: documents as messages, two client libraries behind one interface, and the output."""
