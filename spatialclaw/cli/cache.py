"""`spatialclaw cache`: what perception has computed and keeps, and letting go of it."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from spatialclaw.cli.app import app
from spatialclaw.errors import UsageError
from spatialclaw.perception import places
from spatialclaw.perception.cache import ResultCache, sizes
from spatialclaw.perception.weights import size_text

__all__: list[str] = []

group = typer.Typer(
    invoke_without_command=True, help="Results of perception kept on disk: show, clear."
)
app.add_typer(group, name="cache")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@group.callback()
def show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Results of perception kept on disk: show, clear."""
    if context.invoked_subcommand is not None:
        return
    cache = _cache()
    found = sizes(cache.entries())
    total = sum(size for _, size in found.values())
    if as_json:
        results = [
            {"method": method, "model": model, "results": count, "bytes": size}
            for (method, model), (count, size) in found.items()
        ]
        said = {"folder": str(cache.folder), "limit": cache.max_bytes, "bytes": total}
        print(json.dumps({**said, "results": results}))
        return
    rows = [("method", "model", "results", "size")]
    rows += [(*key, str(count), size_text(size)) for key, (count, size) in found.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if found else []:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())
    print(f"{size_text(total)} of {size_text(cache.max_bytes)} in {cache.folder}")


@group.command()
def clear(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="only what was not used for so long: 90s, 12h, 7d"),
    ] = None,
    method: Annotated[str | None, typer.Option(help="only results of this method")] = None,
    model: Annotated[str | None, typer.Option(help="only results of this model")] = None,
) -> None:
    """Remove results."""
    seconds = None if older_than is None else _seconds(older_than)
    count, size = _cache().clear(method=method, model=model, older_than=seconds)
    print(f"{count} result{'s' * (count != 1)} removed, {size_text(size)}")


def _cache() -> ResultCache:
    return ResultCache(places.cache_folder(), places.limits().cache_bytes)


def _seconds(said: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", said.strip().lower())
    if match is None:
        raise UsageError(f"--older-than {said!r} is no time", hint="Give it as 90s, 12h or 7d")
    return float(match[1]) * _UNITS[match[2]]
