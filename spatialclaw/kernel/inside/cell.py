"""The two halves around a cell: what was there before, and the report of what it did."""

from __future__ import annotations

import builtins
import os
import reprlib
import signal
import sys
import time
import types
from typing import Any

import numpy as np

from spatialclaw.kernel.inside.fingerprint import Budget, fingerprint
from spatialclaw.kernel.inside.stream import CappedStream

__all__ = ["CELL_TYPE", "CellWatch", "summarise"]

CELL_TYPE = "application/vnd.spatialclaw.cell+json"
_MAX_REPORTED = 60
_MAX_INSIDE = 12
_MAX_LISTED = 300
_MAX_FILES = 8
_IPYTHON = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
_IMMUTABLE = frozenset({types.FunctionType, types.BuiltinFunctionType, type(None), bool, type})
_short = reprlib.Repr()
_short.maxother, _short.maxstring, _short.maxlong = 200, 120, 60
_short.maxlist, _short.maxtuple, _short.maxdict, _short.maxset = 8, 8, 6, 6


class CellWatch:
    """Notices what each cell made, changed and deleted, and reports it to the host.

    Args:
        kernel: The kernel whose shell runs the cells.
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.known: dict[str, tuple[int, int]] = {}
        self.cells = 0
        self.started = 0.0
        self.publishes = True  # not where nobody but a frontend listens
        self._folder = os.getcwd()  # noqa: PTH109
        self._files: dict[str, tuple[int, int]] = {}
        self._builtins = dict(vars(builtins))
        self._recursion = sys.getrecursionlimit()
        self._streams = (sys.stdout, sys.stderr)

    def adopt(self, old: CellWatch) -> None:
        """Takes over what another watch of the same namespace knew."""
        self.known, self.cells = old.known, old.cells
        self._builtins = old._builtins
        self._folder = old._folder

    def settle(self) -> None:
        """Takes the namespace as it is now for known: nothing in it is news."""
        self.known = self._survey()

    def before(self, code: str) -> None:
        """To be called when a cell starts."""
        del code
        self._files = _listing(self._folder)
        self.started = time.perf_counter()

    def after(self, error: dict[str, Any] | None) -> dict[str, Any]:
        """To be called when a cell has ended, one way or another: its report."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the cell is over: too late to interrupt it
        seconds = time.perf_counter() - self.started
        repaired = self._repair()
        self.cells += 1
        if "matplotlib.pyplot" in sys.modules:
            from spatialclaw.primitives.runtime_figures import flush

            flush()
        dropped = sum(s.end_of_cell() for s in self._streams if isinstance(s, CappedStream))
        report: dict[str, Any] = {
            "cell": self.cells,
            "seconds": seconds,
            "dropped": dropped,
            "repaired": repaired,
            "error": error,
            "variables": [],
            "measurements": [],
            "files": self._written(),
        }
        try:
            report["variables"] = self._changes()
            report["measurements"] = self._measurements(report["variables"])
        except Exception as failed:  # the cell broke the shell itself
            repaired.append(f"nothing: the namespace cannot be read ({type(failed).__name__})")
        return report

    def _written(self) -> list[str]:
        """Files of the working folder that the cell made or changed."""
        now = _listing(self._folder)
        return [name for name, mark in now.items() if self._files.get(name) != mark][:_MAX_FILES]

    def publish(self, report: dict[str, Any]) -> None:
        """Sends a report to whoever listens."""
        if self.publishes:
            publisher = self.kernel.shell.display_pub
            type(publisher).publish(publisher, {CELL_TYPE: report})

    def _measurements(self, changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What was measured: in names that the cell made or changed, and what it printed."""
        from spatialclaw.primitives.measure import Measurement
        from spatialclaw.primitives.noted import drain

        found: dict[int, tuple[str, Any]] = {}
        namespace = self.kernel.shell.user_ns
        printed = drain()
        for change in changes:
            name = change["name"]
            value = namespace.get(name)
            items = [(name, value)]
            if type(value) in (list, tuple):
                items = [(f"{name}[{i}]", item) for i, item in enumerate(value[:_MAX_INSIDE])]
            elif type(value) is dict:
                items = [(f"{name}[{k!r}]", v) for k, v in list(value.items())[:_MAX_INSIDE]]
            for label, item in items:
                if isinstance(item, Measurement):
                    found.setdefault(id(item), (label, item))
        for item in printed:
            found.setdefault(id(item), ("", item))
        return [{"name": n, **m.as_record()} for n, m in list(found.values())[:_MAX_REPORTED]]

    def _repair(self) -> list[str]:
        """Puts back the builtins and streams that the cell replaced or closed."""
        repaired = []
        current = vars(builtins)
        for name, value in self._builtins.items():
            if current.get(name, self) is not value and name != "_":
                current[name] = value
                repaired.append(name)
        for name, stream in zip(("stdout", "stderr"), self._streams, strict=True):
            if getattr(sys, name, None) is not stream:
                setattr(sys, name, stream)
                repaired.append(f"sys.{name}")
        if sys.getrecursionlimit() < self._recursion:
            sys.setrecursionlimit(self._recursion)
            repaired.append("the recursion limit")
        return repaired

    def _survey(self) -> dict[str, tuple[int, int]]:
        budget = Budget()
        namespace = self.kernel.shell.user_ns
        hidden = self.kernel.shell.user_ns_hidden
        found: dict[str, tuple[int, int]] = {}
        for name, value in list(namespace.items()):
            kind = type(value)
            if kind is types.ModuleType or not isinstance(name, str) or name[:1] == "_":
                continue
            if name in _IPYTHON or isinstance(value, types.ModuleType):
                continue
            if name in hidden and hidden[name] is value:
                continue
            same = id(value)
            found[name] = (same, same if kind in _IMMUTABLE else _mark(value, budget))
        return found

    def _changes(self) -> list[dict[str, Any]]:
        now = self._survey()
        namespace = self.kernel.shell.user_ns
        changes = []
        for name, mark in now.items():
            old = self.known.get(name)
            if old == mark:
                continue
            kind, text = summarise(namespace[name])
            change = "new" if old is None else "changed"
            changes.append({"name": name, "type": kind, "summary": text, "change": change})
        for name in self.known:
            if name not in now:
                changes.append({"name": name, "type": "", "summary": "", "change": "deleted"})
        self.known = now
        return changes[:_MAX_REPORTED]


def _listing(folder: str) -> dict[str, tuple[int, int]]:
    """Path below the folder -> time and size, of the first few hundred files."""
    found: dict[str, tuple[int, int]] = {}
    todo = [folder]
    while todo and len(found) < _MAX_LISTED:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif len(found) < _MAX_LISTED:
                        about = entry.stat(follow_symlinks=False)
                        name = os.path.relpath(entry.path, folder)
                        found[name] = (about.st_mtime_ns, about.st_size)
        except OSError:
            continue  # the cell removed or closed it
    return found


def _mark(value: Any, budget: Budget) -> int:
    try:
        return fingerprint(value, budget)
    except Exception:  # an object of a cell that cannot even be looked at
        return id(value)


def summarise(value: Any) -> tuple[str, str]:
    """Class and one line about a value; arrays by shape, dtype, range and share of NaN."""
    kind = type(value).__name__
    try:
        if isinstance(value, np.ndarray):
            return kind, _array_line(value)
        text = repr(value) if _has_own_repr(value) else _short.repr(value)
    except Exception as error:  # the repr of a class made in a cell
        text = f"<repr failed: {type(error).__name__}>"
    text = " ".join(str(text).split())
    return kind, text if len(text) <= 200 else text[:197] + "..."


def _has_own_repr(value: Any) -> bool:
    return type(value).__module__.startswith("spatialclaw.")


def _array_line(array: np.ndarray[Any, Any]) -> str:
    plain = array.view(np.ndarray)
    ref = getattr(array, "ref", None)
    head = f"{plain.shape} {plain.dtype}" + (f" [{ref}]" if isinstance(ref, str) else "")
    if plain.size == 0:
        return head
    if plain.size <= 9 and plain.dtype.kind in "iufb":
        return f"{head} {np.array2string(plain, precision=4, separator=', ')}".replace("\n", "")
    if plain.dtype.kind == "b":
        return f"{head}, {plain.mean():.1%} True"
    if plain.dtype.kind in "iu":
        sample = _sample(plain)
        return f"{head}, {sample.min()} to {sample.max()}"
    if plain.dtype.kind == "f":
        sample = _sample(plain)
        finite = sample[np.isfinite(sample)]
        nan = 1 - finite.size / sample.size
        tail = f", {nan:.1%} NaN or inf" if nan else ""
        span = f", {finite.min():.4g} to {finite.max():.4g}" if finite.size else ""
        return head + span + tail
    return head


def _sample(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    flat = array.reshape(-1) if array.flags.c_contiguous else array.flatten()
    return flat if flat.size <= 4_000_000 else flat[:: flat.size // 1_000_000]
