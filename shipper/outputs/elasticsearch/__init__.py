"""Elasticsearch: templates, writing and searching."""
