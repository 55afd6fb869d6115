"""A whole network as one hierarchical Process."""
