"""The embedded store: one SQLite file a day and index."""
