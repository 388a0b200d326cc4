"""Configuration files, the keys and secrets they name, and changes to them."""
