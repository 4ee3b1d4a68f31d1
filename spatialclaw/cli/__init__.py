"""The command line."""

from spatialclaw.cli.app import main

__all__ = ["main"]
