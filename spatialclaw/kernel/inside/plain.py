"""Runs a cell that is plain Python, without IPython's way around it.

IPython's `run_cell` takes longer than most cells and touches hundreds of pages of memory that a
kernel otherwise shares with its template and its snapshots. Cells with magics, with `await` outside
a function, or with syntax errors, and shells with hooks of the user still go its way.
"""

from __future__ import annotations

import ast
import inspect
import sys
from types import CodeType
from typing import Any

import numpy as np
from ipykernel.displayhook import ZMQShellDisplayHook
from IPython.core.compilerop import CachingCompiler

__all__ = ["Compiler", "DisplayHook", "compiled", "run"]

_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_ONLY_TEXT = frozenset(
    {
        bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple,
        np.ndarray, np.bool_, np.float32, np.float64, np.int32, np.int64, np.uint8,
    }
)  # fmt: skip


class Compiler(CachingCompiler):  # type: ignore[misc]
    """Names the code of a cell by its number."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """The name that tracebacks give."""
        return f"<ipython-input-{number}>"


class DisplayHook(ZMQShellDisplayHook):  # type: ignore[misc]
    """Asks for no picture and no HTML of a number, a text or an array: there is none."""

    def compute_format_data(self, result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Media type -> text, and nothing about them."""
        if type(result) in _ONLY_TEXT:
            text = self.shell.display_formatter.formatters["text/plain"](result)
            return {"text/plain": text}, {}
        data, about = super().compute_format_data(result)
        return dict(data), dict(about)


def compiled(shell: Any, code: str) -> list[CodeType] | None:
    """The code objects of a plain cell; None when IPython has to run it."""
    callbacks = shell.events.callbacks
    if (
        shell.ast_transformers
        or shell.input_transformers_post
        or callbacks["pre_run_cell"]
        or callbacks["post_run_cell"]
    ):
        return None
    compiler = shell.compile
    name = compiler.cache(code, shell.execution_count, raw_code=code)
    try:
        body = compiler.ast_parse(code, filename=name).body
        last = [body.pop()] if body and isinstance(body[-1], ast.Expr) else []
        trees: list[tuple[ast.mod, str]] = [(ast.Module(body, []), "exec")] if body else []
        if last:
            trees.append((ast.Interactive(list(last)), "single"))
        with compiler.extra_flags(_AWAIT):
            made = [compiler(tree, name, mode) for tree, mode in trees]
    except Exception:  # IPython says what is wrong with it, or knows it as a magic
        return None
    return None if any(c.co_flags & inspect.CO_COROUTINE for c in made) else made


def run(shell: Any, code: str, made: list[CodeType]) -> bool:
    """Runs the code objects of a cell; whether it came to its end."""
    history = shell.history_manager
    history.input_hist_parsed.append(code)
    history.input_hist_raw.append(code)
    shell.execution_count += 1
    shell.events.trigger("pre_execute")
    # what an exception that gets past everything does
    hook, sys.excepthook = sys.excepthook, shell.excepthook
    try:
        with shell.builtin_trap, shell.display_trap:
            for part in made:
                exec(part, shell.user_global_ns, shell.user_ns)  # noqa: S102
        ran = True
    except BaseException:  # a cell may raise anything, SystemExit and KeyboardInterrupt too
        shell.showtraceback()
        ran = False
    finally:
        sys.excepthook = hook
    shell.events.trigger("post_execute")
    return ran
