"""In place of a kernel where no cell runs: a direct run reads an answer out of text."""

from __future__ import annotations

from typing import Any

from spatialclaw.kernel.results import CellError, CellResult

__all__ = ["NoKernel", "NoKernels"]


class NoKernel:
    """Refuses cells; a direct run costs no process."""

    notes: tuple[str, ...] = ()
    alive = True

    def __init__(self, options: Any) -> None:
        self.options = options

    async def execute(self, code: str, timeout: float = 0.0) -> CellResult:  # noqa: ASYNC109
        """An error that says that no code runs."""
        error = CellError("NoKernel", "no code runs in a direct run")
        return CellResult("error", "", "", None, error, [], [], None, 0.0)

    async def snapshot(self, name: str) -> str:
        """Nothing to keep."""
        return "nothing to keep"

    async def restore(self, name: str) -> str:
        """Nothing to go back to."""
        return "nothing to go back to"

    async def aclose(self) -> None:
        """Nothing to end."""


class NoKernels:
    """A pool of these."""

    async def get(self, options: Any) -> NoKernel:
        """One of them."""
        return NoKernel(options)

    async def aclose(self) -> None:
        """Nothing to end."""
