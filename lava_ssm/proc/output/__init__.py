"""Neurons behind a synapse that receive earlier messages too."""
