"""Neurons between two synapses."""
