"""Pure steps that an agent and an application can share. No I/O, no clock, no threads."""
