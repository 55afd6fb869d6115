"""A whole network as one Process, the compiled engine inside."""
