"""Fetching weights: from the hub, from the hub's cache, or from a folder that was carried here."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from spatialclaw.errors import PerceptionError
from spatialclaw.perception import weights
from spatialclaw.perception.adapter import ModelInfo
from spatialclaw.perception.weights import Lock, Progress
from spatialclaw.progress import task

__all__ = ["pull"]

_INSTALL = 'pip install "spatialclaw[perception]"'


def pull(
    info: ModelInfo,
    *,
    revision: str | None = None,
    source: Path | None = None,
    offline: bool | None = None,
    progress: Progress = lambda line: None,
) -> Lock:
    """Fetches what a model needs and locks it.

    The commit is `revision`, else the model's own, else that of the lock, else what the hub calls
    main at this moment; from then on the lock holds it. An interrupted fetch is taken up where it
    stopped. Every file is compared with the digest that the hub states, with the model's own where
    it has one, and with the lock where the commit is the same.

    Args:
        info: The model.
        revision: A commit, or a name the hub knows; it is resolved to a commit.
        source: A folder with the repository's files, instead of the network.
        offline: Use only what the hub's cache holds; None asks the environment.
        progress: Called with a line before each file.

    Raises:
        PerceptionError: No network, no access, no room, or wrong bytes; says what to do.
    """
    if not info.hub:
        raise PerceptionError(
            f"{info.name} brings its weights in its package",
            hint=f'pip install "spatialclaw[{info.extra}]"',
        )
    if source is not None:
        return _from_folder(info, source, progress)
    if weights.is_offline() if offline is None else offline:
        return _from_cache(info, revision)
    return _from_hub(info, revision, progress)


def _from_folder(info: ModelInfo, source: Path, progress: Progress) -> Lock:
    if not source.is_dir():
        raise PerceptionError(f"{source} is not a folder")
    there = [p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()]
    names = _complete(info, there, str(source))
    digests = {name: weights.sha256_of(source / name) for name in names}
    for name in names:
        _as_expected(info, name, digests[name])
    weights.room_for(info, sum((source / name).stat().st_size for name in names))
    listing = "".join(f"{digests[name]}  {name}\n" for name in names)
    revision = f"local-{hashlib.sha256(listing.encode()).hexdigest()[:32]}"
    home = weights.place(info) / "snapshots" / revision
    for name in names:
        progress(name)
        target = home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source / name, draft)
        draft.replace(target)
    return weights.locked(info, revision, names, "folder")


def _from_cache(info: ModelInfo, revision: str | None) -> Lock:
    lock = weights.read_lock(info)
    known = revision or info.revision or (lock.revision if lock else "")
    main = weights.place(info) / "refs" / "main"
    if not known and main.is_file():
        known = main.read_text("utf-8").strip()
    home = weights.place(info) / "snapshots" / known
    if not known or not home.is_dir():
        raise PerceptionError(
            f"{info.name} is not in {weights.hub_cache()} and the network is switched off",
            hint="Unset HF_HUB_OFFLINE, or give a folder that was carried here with --from",
        )
    there = [p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()]
    names = _complete(info, there, str(home))
    for name in names:
        digest = weights.sha256_of(home / name)
        _as_expected(info, name, digest)
        if lock and lock.revision == known and name in lock.files:
            _same(info, name, digest, lock.files[name].sha256, "when it was fetched")
    return weights.locked(info, known, names, lock.source if lock else "cache")


def _from_hub(info: ModelInfo, revision: str | None, progress: Progress) -> Lock:
    try:
        import huggingface_hub
    except ImportError as error:
        raise PerceptionError("huggingface_hub is not installed", hint=_INSTALL) from error
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    before = weights.read_lock(info)
    pinned = before.revision if before and not before.revision.startswith("local-") else None
    asked = revision or info.revision or pinned
    try:
        found = huggingface_hub.HfApi(endpoint=endpoint).model_info(
            info.hub, revision=asked, files_metadata=True, timeout=30
        )
        commit = str(found.sha)
        listed = {file.rfilename: file for file in found.siblings or [] if _is_plain(file)}
        if not re.fullmatch(r"[0-9a-f]{40}", commit):
            raise PerceptionError(f"{endpoint} gives {commit[:60]!r} as the commit of {info.hub}")
        names = _complete(info, list(listed), f"{endpoint}/{info.hub}")
        home = weights.place(info) / "snapshots" / commit
        known = before.files if before and before.revision == commit else {}
        for name in names:
            _drop_if_wrong(home / name, listed[name])
        missing = [name for name in names if not (home / name).exists()]
        weights.room_for(info, sum(int(listed[name].size or 0) for name in missing))
        for name in names:
            if name in missing:
                progress(f"{name} ({weights.size_text(int(listed[name].size or 0))})")
            if name in missing and listed[name].lfs is not None:
                _download(info, listed[name], commit, endpoint)
                continue
            huggingface_hub.hf_hub_download(
                info.hub,
                name,
                revision=commit,
                cache_dir=weights.hub_cache(),
                endpoint=endpoint,
            )
    except PerceptionError:
        raise
    except Exception as error:  # the hub's client raises errors of four libraries
        raise _explained(info, error, endpoint) from error
    for name in names:
        digest = weights.sha256_of(home / name)
        try:
            _as_stated(info, home / name, digest, listed[name])
            _as_expected(info, name, digest)
            if name in known:
                _same(info, name, digest, known[name].sha256, "when it was first fetched")
        except PerceptionError:
            _remove(home / name)
            raise
    return weights.locked(info, commit, names, endpoint)


def _is_plain(listed: Any) -> bool:
    """Whether a name stays inside the repository's folder, and a digest is one."""
    parts = str(listed.rfilename).split("/")
    digest = listed.lfs.sha256 if listed.lfs is not None else "0" * 64
    return not {"", ".", ".."} & set(parts) and bool(re.fullmatch(r"[0-9a-f]{64}", str(digest)))


def _download(info: ModelInfo, listed: Any, commit: str, endpoint: str) -> None:
    """A large file into the hub's cache, going on where an earlier attempt stopped.

    The hub's own client starts again from the first byte after every interruption.
    """
    import filelock
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, httpx

    name, size = listed.rfilename, int(listed.size)
    blob = weights.place(info) / "blobs" / str(listed.lfs.sha256)
    part = blob.with_name(f"{blob.name}.part")
    blob.parent.mkdir(parents=True, exist_ok=True)
    url = hf_hub_url(info.hub, name, revision=commit, endpoint=endpoint)
    with filelock.FileLock(f"{part}.lock"):
        failures = 0
        while not blob.exists():
            have = part.stat().st_size if part.exists() else 0
            if have >= size:
                part.replace(blob)
                break
            headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
            if have:
                headers["Range"] = f"bytes={have}-"
            try:
                with get_session().stream("GET", url, headers=headers, timeout=30) as reply:
                    hf_raise_for_status(reply)
                    resumed = have and reply.status_code == 206
                    already = have if resumed else 0
                    with (
                        part.open("ab" if resumed else "wb") as stream,
                        task(name, total=size, unit="B", done=already) as advance,
                    ):
                        for chunk in reply.iter_bytes(chunk_size=1 << 18):
                            stream.write(chunk)
                            advance(len(chunk))
                            if stream.tell() > size:
                                raise _wrong_size(info, name, size)
                if part.stat().st_size < size:
                    raise _wrong_size(info, name, size)
            except httpx.TransportError as error:
                gained = part.exists() and part.stat().st_size > have
                failures = 0 if gained else failures + 1
                if failures >= 3:
                    raise
                logging.getLogger(__name__).info("going on after: %s", error)
                time.sleep(0.5 * failures)
            except PerceptionError:
                part.unlink(missing_ok=True)
                raise
    target = weights.place(info) / "snapshots" / commit / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(os.path.relpath(blob, target.parent))


def _wrong_size(info: ModelInfo, name: str, size: int) -> PerceptionError:
    return PerceptionError(
        f"{name} of {info.name} has not the {size} bytes that the hub lists",
        hint="It was not kept; try again, or another HF_ENDPOINT",
    )


def _complete(info: ModelInfo, names: list[str], where: str) -> list[str]:
    """The wanted ones of `names`; raises unless a configuration and safetensors are among them."""
    chosen = weights.wanted(info, names)
    if not any(name.endswith(".safetensors") for name in chosen):
        others = [n for n in names if n.endswith((".bin", ".pt", ".pth", ".ckpt"))]
        also = f"; {others[0]} is a pickle and is not loaded" if others else ""
        raise PerceptionError(f"{where} has no safetensors for {info.name}{also}")
    if "config.json" not in chosen:
        raise PerceptionError(f"{where} has no config.json for {info.name}")
    return chosen


def _as_expected(info: ModelInfo, name: str, digest: str) -> None:
    for file in info.files:
        if file.name == name and file.sha256:
            _same(info, name, digest, file.sha256, "in this version of spatialclaw")


def _as_stated(info: ModelInfo, path: Path, digest: str, listed: Any) -> None:
    """Compares with what the hub states: sha256 of large files, git's digest of small ones."""
    name = listed.rfilename
    if listed.lfs is not None:
        _same(info, name, digest, str(listed.lfs.sha256), "on the hub")
    elif listed.blob_id:
        _same(info, name, _git_digest(path), str(listed.blob_id), "on the hub")


def _drop_if_wrong(path: Path, listed: Any) -> None:
    """Removes a file of the cache that is not what the hub has, so that it is fetched again."""
    if not path.exists():
        return
    stated = listed.lfs.sha256 if listed.lfs is not None else listed.blob_id
    if stated is None:
        return
    found = weights.sha256_of(path) if listed.lfs is not None else _git_digest(path)
    if found != stated:
        _remove(path)


def _remove(path: Path) -> None:
    blob = path.resolve()
    path.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)


def _git_digest(path: Path) -> str:
    content = path.read_bytes()
    # Git names a file by the sha1 of its length and content: an address, not a protection.
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _same(info: ModelInfo, name: str, found: str, expected: str, when: str) -> None:
    if found != expected:
        raise PerceptionError(
            f"{name} of {info.name} has digest {found[:12]}..., {when} it was {expected[:12]}...",
            hint="It was not kept; fetch it again, or give the commit you mean with --revision",
        )


def _explained(info: ModelInfo, error: Exception, endpoint: str) -> PerceptionError:
    """What to do about an error of the hub's client, in one line."""
    from huggingface_hub import errors

    page = f"{endpoint}/{info.hub}"
    if isinstance(error, errors.GatedRepoError) or (
        info.gated and isinstance(error, errors.RepositoryNotFoundError)
    ):
        return PerceptionError(
            f"{info.hub} asks for an agreement first",
            hint=f"Accept it on {page} while signed in, make a token on {endpoint}/settings/tokens "
            "and set HF_TOKEN to it (or run: hf auth login)",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return PerceptionError(f"{page} has no such revision")
    if isinstance(error, errors.RepositoryNotFoundError):
        return PerceptionError(f"{page} is not there, or not for you")
    if isinstance(error, OSError) and error.errno == 28:
        return PerceptionError(
            f"the disk of {weights.hub_cache()} is full; what was fetched so far is kept",
            hint="Free some and run the command again, or set HF_HUB_CACHE to another disk",
        )
    said = " ".join(str(error).split())[:160] or type(error).__name__
    return PerceptionError(
        f"{info.name} could not be fetched from {endpoint} ({said}); what came is kept",
        hint="Run the command again where there is a network, or bring the files: "
        f"spatialclaw models pull {info.name} --from FOLDER",
    )
