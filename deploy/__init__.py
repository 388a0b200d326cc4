"""Services, dashboards and manifests around the shipper."""
