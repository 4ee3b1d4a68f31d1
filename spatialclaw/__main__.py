"""`python -m spatialclaw` is the program `spatialclaw`."""

from spatialclaw.cli import main

main()
