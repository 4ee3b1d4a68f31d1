"""Scenes drawn from a seed, with questions whose answers are exactly known."""
