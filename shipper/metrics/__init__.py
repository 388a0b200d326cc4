"""The agent's metrics: declared once, kept in a registry, exposed and exported."""
