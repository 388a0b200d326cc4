"""The values that pass between the folders: sources, documents, batches, queries."""
