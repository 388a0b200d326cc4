"""The demo: the whole way of the data, on one machine, in half a minute."""
