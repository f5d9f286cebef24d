"""The things that are remembered between calls, shared by the servers of one machine."""
