"""A matplotlib backend for cells: figures are shown at ``plt.show()`` and at the end of the cell.

Named by the environment variable MPLBACKEND in kernels; nothing is written to disk and no event
loop is touched.
"""

from __future__ import annotations

import sys
from typing import Any

from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

__all__ = ["FigureCanvas", "FigureManager", "flush", "show"]


class FigureManager(FigureManagerBase):
    """Shows figures by publishing them."""

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        """``plt.show()``."""
        del block
        flush()

    def show(self) -> None:
        """``figure.show()``."""
        _publish(self.canvas.figure)


class FigureCanvas(FigureCanvasAgg):  # type: ignore[misc]
    """Draws with Agg."""

    manager_class = FigureManager


def show(*_args: Any, **_kwargs: Any) -> None:
    """Shows and closes every open figure."""
    flush()


def flush() -> None:
    """Shows and closes every open figure, in the order they were made."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        try:
            if figure.axes or figure.texts or figure.images:
                _publish(figure)
        finally:
            pyplot.close(figure)


def _publish(figure: Any) -> None:
    from spatialclaw.primitives.show import show as put

    put(figure, title=str(figure.get_suptitle() or ""))
