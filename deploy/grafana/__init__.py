"""Grafana: data sources and dashboards, written in Python and provisioned as files."""
