"""A local web page over runs and evaluations: look, compare, accept or correct."""

from spatialclaw.viewer.app import make_app
from spatialclaw.viewer.index import Index, Row
from spatialclaw.viewer.serve import Viewing

__all__ = ["Index", "Row", "Viewing", "make_app"]
