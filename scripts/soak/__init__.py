"""Long checks of the library: what only shows after thousands of graphs and tokens."""
