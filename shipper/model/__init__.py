"""Values passed between the folders: sources, documents, batches, queries."""
