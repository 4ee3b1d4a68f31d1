"""The vocabulary of spatial reasoning: what a cell can call, usable alone too."""
