"""Work on evaluations that have ended: scoring anew, and putting shards together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.evaluate import summarise_folder
from spatialclaw.evaluation.manifest import (
    MANIFEST,
    differences,
    read_manifest,
    write_manifest,
)
from spatialclaw.evaluation.scoring import rescored, scorer_versions
from spatialclaw.evaluation.store import FolderLock, Store

__all__ = ["merge_shards", "rescore_folder"]

Summary = Mapping[str, Any]


def rescore_folder(folder: Path) -> tuple[int, Summary, Summary]:
    """Scores the records of an evaluation with the scorers of now; asks no model.

    Returns:
        How many scores changed, the figures, and the manifest with the scorers' versions of now.

    Raises:
        RunError: The folder holds no evaluation.
        UsageError: Another process is writing to it, or a scorer cannot use the records.
    """
    manifest = read_manifest(folder)
    lock = FolderLock(folder)
    try:
        store = Store(folder)
        try:
            old = store.results()
            new = [rescored(result) for result in old]
            changed = sum(a.score != b.score for a, b in zip(old, new, strict=True))
            store.replace(new)
            for benchmark in manifest["benchmarks"]:
                names = {r.scorer for r in new if r.benchmark == benchmark["name"]}
                benchmark["scorers"] = {**benchmark["scorers"], **scorer_versions(names)}
            write_manifest(folder, manifest)
            return changed, summarise_folder(folder, store, manifest), manifest
        finally:
            store.close()
    finally:
        lock.release()


def merge_shards(folder: Path) -> tuple[Summary, Summary]:
    """Puts the results of ``shard-*-of-*`` folders into the folder above them.

    A shard that is missing or not at its end leaves its questions pending; merge again later.

    Returns:
        The figures and the merged manifest.

    Raises:
        UsageError: There are no shards, or they do not belong together.
    """
    shards = sorted(path.parent for path in folder.glob(f"shard-*-of-*/{MANIFEST}"))
    if not shards:
        raise UsageError(f"{folder} holds no shards", hint="Make them with --shard i/n.")
    manifests = [read_manifest(shard) for shard in shards]
    first = {**manifests[0], "shard": None}
    for shard, manifest in zip(shards[1:], manifests[1:], strict=True):
        other = {**manifest, "shard": None}
        changed = [
            (name, a, b)
            for name, a, b in differences(first, other)
            if not name.endswith(": questions") and ": scorer " not in name
        ]
        if changed:
            name, a, b = changed[0]
            raise UsageError(f"{shard} does not fit {shards[0]}: {name} is {b}, there {a}")
    merged = {**first, "shard": None, "merged": [shard.name for shard in shards]}
    merged["benchmarks"] = [_union(i, manifests) for i in range(len(first["benchmarks"]))]
    lock = FolderLock(folder)
    try:
        write_manifest(folder, merged)
        store = Store(folder, create=True)
        try:
            for shard in shards:
                source = Store(shard)
                try:
                    for result in source.results():
                        store.add(replace(result, run=f"{shard.name}/{result.run}"))
                finally:
                    source.close()
            return summarise_folder(folder, store, merged), merged
        finally:
            store.close()
    finally:
        lock.release()


def _union(position: int, manifests: list[dict[str, Any]]) -> dict[str, Any]:
    parts = [manifest["benchmarks"][position] for manifest in manifests]
    ids = list(dict.fromkeys(uid for part in parts for uid in part["ids"]))
    scorers = {name: number for part in parts for name, number in part["scorers"].items()}
    return {**parts[0], "ids": ids, "scorers": scorers}
