"""Traffic for the sample application: by a seed, with the truth about it, and with faults where they are asked for."""
