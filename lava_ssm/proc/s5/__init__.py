"""The state neurons of an S5 layer."""
