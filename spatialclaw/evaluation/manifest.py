"""What an evaluation is: enough to repeat it exactly, and to refuse to mix it with another one."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spatialclaw._version import __version__
from spatialclaw.agent.budget import limits_from
from spatialclaw.agent.opening import limits_of
from spatialclaw.config import Resolved
from spatialclaw.errors import RunError, UsageError
from spatialclaw.evaluation.rows import Dataset, Row
from spatialclaw.evaluation.scoring import check_rule, scorer_versions, truth_text

__all__ = [
    "MANIFEST",
    "differences",
    "identity",
    "make_manifest",
    "prompt_hashes",
    "read_manifest",
    "refuse_other",
    "write_manifest",
]

MANIFEST = "evaluation.json"
SCHEMA = 1
_PACKAGES = ("numpy", "scipy", "opencv-python-headless", "av", "openai", "open3d-cpu", "open3d",
             "torch", "transformers")  # fmt: skip
# Settings that do not change what is asked or answered, only where and how patiently.
_NEUTRAL = frozenset({"runs_dir", "api_key", "base_url", "request_timeout", "max_retries",
                      "benchmarks_dir"})  # fmt: skip

# Prompts that no answer depends on: checks of servers, and the judge, who is told apart.
_OTHER_PROMPTS = frozenset({"judge.md", "preflight.md", "probe.md", "probe_point.md"})


def make_manifest(
    datasets: Sequence[Dataset],
    chosen: Mapping[str, Sequence[Row]],
    resolved: Resolved,
    *,
    epochs: int,
    limit: int | None,
    subset_seed: int,
    shard: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Describes an evaluation that is about to begin.

    Args:
        datasets: The prepared questions.
        chosen: The questions of each benchmark that are asked, in order.
        resolved: The settings with their sources.
        epochs: How often each question is asked.
        limit: How many questions of each benchmark were wanted, or None for all.
        subset_seed: The shuffle's seed.
        shard: (number from 0, of how many), or None for all.
    """
    settings = resolved.settings
    public = settings.public()
    public["base_url"] = _without_password(public.get("base_url"))
    benchmarks = []
    for dataset in datasets:
        rows = chosen[dataset.benchmark]
        benchmarks.append(
            {
                "name": dataset.benchmark,
                "revision": dataset.revision,
                "source": dataset.source,
                "files": dict(dataset.files),
                "content": _content(dataset.rows),
                "questions": len(dataset.rows),
                "expected": dataset.expected,
                "missing": len(dataset.missing),
                "scorers": scorer_versions({check_rule(row) for row in rows}),
                "ids": [row.uid for row in rows],
            }
        )
    limits = limits_of(settings.interface, limits_from(settings))
    return {
        "schema": SCHEMA,
        "created": time.time(),
        "version": __version__,
        "git": _git(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _packages(),
        "command": ["spatialclaw", *_redacted(sys.argv[1:])],
        "benchmarks": benchmarks,
        "epochs": epochs,
        "limit": limit,
        "subset_seed": subset_seed,
        "shard": None if shard is None else list(shard),
        "settings": public,
        "sources": dict(resolved.sources),
        "prompts": prompt_hashes(settings.prompts_dir),
        "shown": {
            "frames": limits.shown_frames,
            "frame_edge": limits.frame_edge,
            "shown_edge": limits.shown_edge,
        },
    }


def identity(manifest: Mapping[str, Any], *, paired: bool = False) -> dict[str, Any]:
    """The part of a manifest on which the answers and scores depend, flat: name to value.

    Args:
        manifest: As `make_manifest` made it.
        paired: Whether subsets of one benchmark go under its name, each being one of its facts.
    """
    flat: dict[str, Any] = {
        "version": manifest.get("version"),
        "epochs": manifest.get("epochs"),
        "limit": manifest.get("limit"),
        "subset seed": manifest.get("subset_seed"),
        "shard": manifest.get("shard"),
    }
    for name, value in (manifest.get("settings") or {}).items():
        if name not in _NEUTRAL:
            flat[f"--{name.replace('_', '-')}"] = value
    backend = manifest.get("backend") or {}
    flat["backend that answers"] = backend.get("name")
    flat["model that answers"] = backend.get("model")
    judge = manifest.get("judge")
    flat["judge"] = f"{judge['model']}, prompt {judge['prompt']}" if judge else None
    for benchmark in manifest.get("benchmarks") or ():
        name = benchmark["name"]
        if paired:
            name, _, subset = name.partition("@")
            flat[f"{name}: subset"] = subset or None
        flat[f"{name}: data revision"] = benchmark.get("revision")
        flat[f"{name}: data"] = benchmark.get("content")
        flat[f"{name}: questions"] = _digest(benchmark.get("ids"))
        for scorer, number in (benchmark.get("scorers") or {}).items():
            flat[f"{name}: scorer {scorer}"] = f"version {number}"
    for name, digest in (manifest.get("prompts") or {}).items():
        if name not in _OTHER_PROMPTS:
            flat[f"prompt {name}"] = digest
    for name, value in (manifest.get("shown") or {}).items():
        flat[f"shown: {name}"] = value
    return flat


def differences(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    all_facts: bool = False,
    paired: bool = False,
) -> list[tuple[str, Any, Any]]:
    """What differs between two manifests: (name, old, new).

    Args:
        old: A manifest.
        new: Another.
        all_facts: Whether to tell what should not change answers too: packages, machine, commit,
            where the server is.
        paired: As for `identity`.
    """
    before, after = identity(old, paired=paired), identity(new, paired=paired)
    if all_facts:
        before, after = before | _circumstances(old), after | _circumstances(new)
    names = dict.fromkeys([*before, *after])
    return [
        (name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _circumstances(manifest: Mapping[str, Any]) -> dict[str, Any]:
    git = manifest.get("git") or {}
    settings = manifest.get("settings") or {}
    return {
        "git commit": f"{git.get('commit', '?')}{' and changes' * bool(git.get('changed'))}",
        "python": manifest.get("python"),
        "platform": manifest.get("platform"),
        **{f"package {k}": v for k, v in (manifest.get("packages") or {}).items()},
        **{f"--{k.replace('_', '-')}": settings.get(k) for k in sorted(_NEUTRAL - {"api_key"})},
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an evaluation's folder.

    Raises:
        RunError: There is none, it cannot be read, or it is of a later version.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"{folder} holds no evaluation: no {MANIFEST} in it",
            hint="Give the folder that `spatialclaw eval` printed.",
        ) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), int):
        raise RunError(f"{path} is no manifest of an evaluation")
    if manifest["schema"] > SCHEMA:
        raise RunError(
            f"{path} is of version {manifest['schema']}, this program reads up to {SCHEMA}",
            hint="Update spatialclaw.",
        )
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes the manifest, whole or not at all, synced to the disk.

    Raises:
        RunError: The folder cannot be written.
    """
    path = folder / MANIFEST
    draft = folder / f".{MANIFEST}.{os.getpid()}"
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(manifest, file, ensure_ascii=False, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror or error}",
            hint="Choose another place with --out, or free some space.",
        ) from error


def refuse_other(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Refuses to go on with an evaluation under other settings.

    Returns:
        Whether the new one asks more questions or epochs than the old one, or has a judge where
        the old one had none, all else being the same.

    Raises:
        UsageError: Something else differs; says what.
    """
    changed = differences(old, new)
    if not changed:
        return False
    if _grows(old, new, [name for name, _, _ in changed]):
        return True
    names = [{b["name"] for b in m.get("benchmarks") or ()} for m in (old, new)]
    if names[0] != names[1]:
        raise UsageError(
            f"{folder} holds an evaluation of {', '.join(sorted(names[0]))}, "
            f"not of {', '.join(sorted(names[1]))}",
            hint="Name another folder with --out.",
        )
    told = "; ".join(f"{name} was {_short(a)}, is {_short(b)}" for name, a, b in changed[:6])
    more = f"; and {len(changed) - 6} more" if len(changed) > 6 else ""
    raise UsageError(
        f"{folder} was begun with other settings: {told}{more}",
        hint="Repeat the command with the old ones to go on, or add --fork for a new folder.",
    )


def _grows(old: Mapping[str, Any], new: Mapping[str, Any], changed: Sequence[str]) -> bool:
    later = {"limit", "epochs"} | (set() if old.get("judge") else {"judge"})
    others = [name for name in changed if name not in later]
    if not all(name.endswith(": questions") for name in others):
        return False
    if int(new.get("epochs") or 1) < int(old.get("epochs") or 1):
        return False
    ids = [{b["name"]: set(b["ids"]) for b in m.get("benchmarks") or ()} for m in (old, new)]
    return all(ids[0][name] <= ids[1].get(name, set()) for name in ids[0])


def prompt_hashes(folder: Path | None) -> dict[str, str]:
    """sha256 (first 16 digits) of each prompt: the package's, or one's own in its place."""
    from importlib.resources import files

    found: dict[str, str] = {}
    root = files("spatialclaw.prompts")
    for place, prefix in ((root, ""), (root.joinpath("builtin"), "builtin/")):
        for item in place.iterdir():
            if item.name.endswith(".md"):
                found[prefix + item.name] = sha256(item.read_bytes()).hexdigest()[:16]
    for path in sorted(folder.rglob("*.md")) if folder is not None else ():
        digest = sha256(path.read_bytes()).hexdigest()[:16]
        found[path.relative_to(folder or path).as_posix()] = digest
    return dict(sorted(found.items()))


def _content(rows: Sequence[Row]) -> str:
    """What is asked, as one digest: ids, questions, options, truths and the names of the media."""
    digest = sha256()
    for row in rows:
        media = [[m.path.name, m.clip, m.frame_indices] for m in row.media]
        facts = [row.uid, row.question, row.options, truth_text(row), media]
        digest.update(json.dumps(facts, ensure_ascii=False, default=str).encode())
    return f"{len(rows)} questions, sha256 {digest.hexdigest()[:16]}"


def _digest(ids: Any) -> str:
    listed = list(ids or ())
    return f"{len(listed)} (ids {sha256(json.dumps(sorted(listed)).encode()).hexdigest()[:10]})"


def _short(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git() -> dict[str, Any] | None:
    """The commit of the checkout that this package runs from, if it does."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"),
                "changed": bool(git("status", "--porcelain", "--untracked-files=no"))}  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None


def _without_password(url: Any) -> Any:
    from spatialclaw.traces import Redactor

    return Redactor().text(url) if isinstance(url, str) else url


def _redacted(arguments: Sequence[str]) -> list[str]:
    from spatialclaw.traces import Redactor

    redactor = Redactor()
    return [redactor.text(argument) for argument in arguments]
