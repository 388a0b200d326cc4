"""Delivery: batches in flight, acknowledged in order, rolled back and retried."""
