"""Measured answers to questions about space."""
