"""Tokens into a graph, and outputs out of it."""
