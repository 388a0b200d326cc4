"""Files that hold configuration, and files that configuration names: keys, secrets, changes to either."""
