"""From a fixed network to the graph that Intel's lava-loihi runs on a chip, and its emulation."""
