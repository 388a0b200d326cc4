"""The node agent and the Kafka indexer."""
