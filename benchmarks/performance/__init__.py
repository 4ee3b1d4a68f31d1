"""Measurements of speed and size: each prints a ratio taken side by side on one machine."""
