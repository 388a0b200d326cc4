"""Kafka: documents as messages, the two client libraries behind one port, and the output."""
