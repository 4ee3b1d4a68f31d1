"""Writes docs/reference from the program: `python docs/generate.py`; `--check` compares."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import typer.main

REFERENCE = Path(__file__).parent / "reference"


def cli() -> str:
    """The help of every command."""
    from spatialclaw.cli.app import app, load_commands

    load_commands()
    group = typer.main.get_command(app)
    commands: dict[str, Any] = group.commands  # type: ignore[attr-defined]
    parts = ["# Command line", "", "Written by `python docs/generate.py` from the program."]
    for name in sorted(commands):
        parts += ["", f"## spatialclaw {name}", "", *_command(commands[name], name)]
    return "\n".join(parts) + "\n"


def _command(command: Any, path: str) -> list[str]:
    text = inspect.cleandoc(command.help or "")
    lines = [text, ""] if text else []
    if getattr(command, "commands", None):
        for name, sub in sorted(command.commands.items()):
            lines += [f"### spatialclaw {path} {name}", "", *_command(sub, f"{path} {name}"), ""]
        return lines
    usage = " ".join(_metavar(p) for p in command.params if p.param_type_name == "argument")
    lines += ["```text", f"spatialclaw {path} {usage}".rstrip() + " [OPTIONS]", "```", ""]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    if options:
        lines += ["| option | what |", "| --- | --- |"]
        lines += [f"| `{', '.join(p.opts)}` | {_cell(p.help or '')} |" for p in options]
    return lines


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def primitives() -> str:
    """The docstrings of what a cell can call, whole."""
    from spatialclaw.primitives.namespace import vocabulary

    parts = [
        "# What a cell can call",
        "",
        "Written by `python docs/generate.py` from the docstrings. The model is shown their first",
        "lines and reads the rest with `help(...)`.",
    ]
    for name, thing in sorted(vocabulary().items()):
        parts += ["", f"## {name}", ""]
        if inspect.ismodule(thing):
            parts += [inspect.cleandoc(thing.__doc__ or "")]
            for member in sorted(getattr(thing, "__all__", ())):
                parts += _primitive(f"{name}.{member}", getattr(thing, member), level=3)
        else:
            parts += _primitive(name, thing, level=0)
    return "\n".join(parts) + "\n"


def _primitive(name: str, thing: Any, *, level: int) -> list[str]:
    lines = ["", f"{'#' * level} {name}", ""] if level else []
    if callable(thing):
        try:
            signature = str(inspect.signature(thing))
        except (TypeError, ValueError):
            signature = "(...)"
        # Defaults that are objects print their address, which differs from run to run.
        signature = re.sub(r" at 0x[0-9a-f]+", "", signature)
        lines += ["```python", f"{name}{signature}", "```", ""]
    doc = inspect.cleandoc(thing.__doc__ or "") if not isinstance(thing, str | dict) else ""
    return [*lines, "```text", doc, "```"] if doc else lines


def benchmarks() -> str:
    """What can be evaluated on: a table, then a section a benchmark."""
    from spatialclaw.evaluation.benchmark import all_benchmarks
    from spatialclaw.evaluation.published import published_lines

    found = all_benchmarks().values()
    parts = [
        "# Benchmarks",
        "",
        "Written by `python docs/generate.py` from `benchmarks/*.py`, `benchmarks/published.toml`.",
        "",
        "`spatialclaw benchmarks prepare NAME` fetches what a benchmark needs;",
        "`spatialclaw benchmarks show NAME` says what is prepared.",
        "",
        "Every loader is tested on small files that the tests write in the form the publisher",
        "describes. The last column says what else it was compared with. None was run on the whole",
        "published data: `prepare` compares the number of questions found with the published one",
        "and lists every row that it leaves out.",
        "",
        "| name | questions | input | answers | scorers | licence | data | also compared with |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for b in found:
        cells = (
            f"[{b.name}](#{b.name})",
            "" if b.count is None else f"{b.count:,}",
            b.inputs,
            b.answers,
            ", ".join(_scorers(b)) or "as custom",
            b.licence,
            f"[{b.hub}](https://huggingface.co/datasets/{b.hub})" if b.hub else "",
            b.compared,
        )
        parts.append("| " + " | ".join(map(_cell, cells)) + " |")
    for b in found:
        parts += ["", f"## {b.name}", "", b.title + (f", arXiv {b.paper}." if b.paper else "."), ""]
        source = b.source
        if source is not None:
            parts += [f"- Tables: {', '.join(f'`{table}`' for table in source.tables)}"]
            media = ", ".join(f"`{name}`" for name in source.media)
            parts += [f"- Media: {media or 'in the tables'}"]
            parts += [
                f"- `{b.name}@{name}`" + (f": {one.count:,} questions" if one.count else "")
                for name, one in source.subsets.items()
            ]
        if b.rule is not None:
            parts += [f"- Scoring: {' '.join((b.rule.__doc__ or '').split())}"]
        if b.note:
            parts += [f"- Note: {b.note}"]
        if b.aliases:
            parts += [f"- Also called: {', '.join(b.aliases)}"]
        names = [b.name, *(f"{b.name}@{name}" for name in (source.subsets if source else ()))]
        lines = [(name, line) for name in names for line in published_lines(name, most=4)]
        if lines:
            parts += ["", "Published, in percent:", ""]
            parts += [f"- {'' if name == b.name else name + ', '}{line}" for name, line in lines]
    return "\n".join(parts) + "\n"


def _scorers(benchmark: Any) -> list[str]:
    """The names of scorers that a rule returns, or that a table beside it holds."""
    from spatialclaw.evaluation.scorers import REGISTRY

    if benchmark.rule is None:
        return ["open"]
    module = inspect.getmodule(benchmark.rule)
    lines = inspect.getsource(module).splitlines() if module is not None else []
    # What stands behind a brace are arguments of a scorer.
    heads = [line.split("{")[0] for line in lines if "return" in line or '": ("' in line]
    return [n for n in sorted({*REGISTRY, "open"}) if any(f'"{n}"' in h for h in heads)]


def pages() -> dict[Path, str]:
    """Every generated page."""
    return {
        REFERENCE / "benchmarks.md": benchmarks(),
        REFERENCE / "cli.md": cli(),
        REFERENCE / "primitives.md": primitives(),
    }


def main() -> int:
    """Writes the pages, or with --check says which are out of date."""
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.name} is out of date; run python docs/generate.py")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(pages()[path], encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
