"""HTTP server, authentication and pages."""
