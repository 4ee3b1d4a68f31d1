"""One self-contained page about a run, that opens anywhere without a network."""

from spatialclaw.traces.html.report import write_html
from spatialclaw.traces.html.story import Story, tell

__all__ = ["Story", "tell", "write_html"]
