"""The readout of a mean over time."""
