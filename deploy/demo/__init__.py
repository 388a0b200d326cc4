"""The demo: the whole pipeline on one machine in half a minute."""
