"""shipper: the node agent, its command line, and all that touches the world."""

__version__ = "0.1.0"
