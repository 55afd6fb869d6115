"""Neurons with a real state that a gate mixes with what enters."""
