"""Neurons that send the messages of earlier tokens too."""
