"""The state neurons of an S4D layer."""
