"""`spatialclaw models`: which models there are, what they cost, and getting them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spatialclaw.cli.app import app
from spatialclaw.errors import PerceptionError, UsageError
from spatialclaw.perception import registry, weights
from spatialclaw.perception.adapter import Adapter
from spatialclaw.primitives.errors import Unavailable

__all__: list[str] = []

group = typer.Typer(no_args_is_help=True, help="Perception models: list, fetch, check.")
app.add_typer(group, name="models")

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document")]


@group.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models: methods, size, licence, and whether they are here."""
    known = [_facts(adapter) for adapter in registry.all_adapters().values()]
    for name, reason in registry.broken().items():
        typer.echo(f"the model package {name!r} could not be loaded: {reason}", err=True)
    if as_json:
        print(json.dumps(known, indent=1))
        return
    rows = [("name", "methods", "download", "memory", "here", "revision", "licence")]
    for facts in known:
        size = facts["bytes"] or facts["download_bytes"]
        rows.append(
            (
                facts["name"],
                " ".join(facts["methods"]),
                weights.size_text(size) if size else "",
                weights.size_text(facts["memory_bytes"]) if facts["memory_bytes"] else "",
                "yes" if facts["available"] else "no",
                facts["revision"][:12],
                facts["licence"] + (", asks for an agreement" if facts["gated"] else ""),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())
    print(f"\nfiles: {weights.hub_cache()}")
    for each in registry.offers():
        print(f"{each.method + ':':14}{each.model or f'none; {each.command}'}")


@group.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="models by name")],
    revision: Annotated[
        str | None, typer.Option(help="a commit of the hub's repository, or a branch")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="take what the hub calls main now")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="a folder with the repository's files, instead of the network"),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="use only what the hub's cache holds")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model's weights; from then on it works without a network.

    The first fetch settles the commit and the sha256 of every file in a lock beside the files;
    later ones compare with it. An interrupted fetch goes on where it stopped.
    """
    from spatialclaw.perception.fetch import pull as fetch

    if update and revision:
        raise UsageError("--update and --revision cannot both be given")
    adapters = [part for name in names for part in _parts(_find(name))]
    done = []
    for adapter in adapters:
        lock = fetch(
            adapter.info,
            revision="main" if update else revision,
            source=source,
            offline=True if offline else None,
            progress=lambda line: typer.echo(f"  {line}", err=True),
        )
        done.append(_facts(adapter))
        if not as_json:
            print(
                f"{adapter.info.name}: {len(lock.files)} files, {weights.size_text(lock.bytes)}, "
                f"revision {lock.revision[:12]}, in {weights.place(adapter.info)}"
            )
            if adapter.info.licence:
                print(f"licence: {adapter.info.licence}")
        if (reason := adapter.available()) is not None:
            typer.echo(f"fetched, but not ready: {reason}", err=True)
    if as_json:
        print(json.dumps(done, indent=1))


@group.command()
def check(
    name: Annotated[
        str | None, typer.Argument(help="a model; all that are here when left out")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every byte of fetched weights and compare the digests with the lock."""
    if name is not None:
        chosen = [_find(name)]
    else:
        chosen = [
            adapter
            for adapter in registry.all_adapters().values()
            if adapter.info.hub and weights.lock_path(adapter.info).exists()
        ]
    rows: list[dict[str, Any]] = []
    for adapter in chosen:
        problems = weights.check(adapter.info)
        reason = adapter.available()
        if reason is not None and not adapter.info.hub:
            problems = [reason]
        elif reason is not None and not problems:
            typer.echo(f"not ready: {reason}", err=True)
        rows.append({"name": adapter.info.name, "ok": not problems, "problems": problems})
    if as_json:
        print(json.dumps(rows, indent=1))
    for row in rows if not as_json else []:
        print(f"{row['name']}: {'; '.join(row['problems']) or 'all files are as fetched'}")
    if not rows and not as_json:
        print("no weights are on this machine: spatialclaw models list")
    if not all(row["ok"] for row in rows):
        raise typer.Exit(PerceptionError.exit_status)


def _find(name: str) -> Adapter:
    try:
        return registry.find(name)
    except Unavailable as error:
        raise UsageError(error.message, hint=error.hint) from error


def _parts(adapter: Adapter) -> list[Adapter]:
    """What has to be fetched for a model: itself, or those that it is made of."""
    needs = getattr(adapter, "needs", None)
    return [_find(name) for name in needs()] if callable(needs) else [adapter]


def _facts(adapter: Adapter) -> dict[str, Any]:
    info = adapter.info
    problem = ""
    lock = None
    if info.hub:
        try:
            lock = weights.read_lock(info)
        except PerceptionError as error:
            problem = str(error)
    reason = adapter.available()
    return {
        "name": info.name,
        "methods": list(info.methods),
        "hub": info.hub,
        "revision": lock.revision if lock else info.revision,
        "bytes": lock.bytes if lock else 0,
        "download_bytes": info.download_bytes,
        "memory_bytes": info.memory_bytes,
        "licence": info.licence,
        "gated": info.gated,
        "available": reason is None,
        "reason": problem or reason or "",
        "cached": str(weights.place(info)) if info.hub else "",
        "fetched": lock.fetched if lock else "",
        "files": {n: f.sha256 for n, f in lock.files.items()} if lock else {},
        "note": info.note,
    }
