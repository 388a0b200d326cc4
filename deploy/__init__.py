"""Everything that runs around the shipper."""
