"""What works on this machine, found out by trying it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spatialclaw._version import __version__
from spatialclaw.config import Resolved
from spatialclaw.errors import SpatialclawError

__all__ = ["Check", "run_checks"]

State = Literal["ok", "partly", "no"]


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        group: "program", "kernel", "confinement", "backend", "perception" or "files".
        name: What was tried.
        state: Whether it works.
        detail: What was found, one line.
        remedy: What to do about it, or "".
    """

    group: str
    name: str
    state: State
    detail: str
    remedy: str = ""


async def run_checks(resolved: Resolved, *, vlm: bool = False) -> list[Check]:
    """Tries everything that a question may need and says what came of it.

    Args:
        resolved: The settings.
        vlm: Whether to ask the VLM about a drawn picture, which costs three requests.
    """
    checks = [*_program(), *_files(resolved), *_confinement()]
    checks += await _attempt("kernel", "start", lambda: _kernel(resolved))
    checks += await _attempt("backend", "choice", lambda: _backend(resolved))
    if vlm:
        checks += await _attempt("backend", "vlm", lambda: _vlm(resolved))
    checks += await asyncio.to_thread(_perception, resolved)
    return checks


def _program() -> list[Check]:
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("numpy", "opencv-python-headless", "ipykernel", "jupyter-client", "httpx2")
    ]
    python = platform.python_version()
    found = Check("program", "spatialclaw", "ok", f"{__version__} with Python {python}")
    return [found, Check("program", "libraries", "ok", ", ".join(versions)), _open3d(), _heic()]


def _open3d() -> Check:
    if importlib.util.find_spec("open3d") is None:
        return Check("program", "open3d", "no", "not installed", "pip install open3d-cpu")
    # Tried in a process of its own: it is heavy, and it fails where system libraries are missing.
    tried = subprocess.run(
        [sys.executable, "-c", "import open3d"], capture_output=True, text=True, check=False
    )
    if tried.returncode == 0:
        return Check("program", "open3d", "ok", "loads when a cell first uses it")
    reason = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
    return Check(
        "program",
        "open3d",
        "no",
        reason,
        "apt-get install libegl1 libgl1 libx11-6 libusb-1.0-0 (fusion and drawing need it)",
    )


def _heic() -> Check:
    if importlib.util.find_spec("pillow_heif") is None:
        return Check(
            "program", "HEIC pictures", "no", "not readable", "pip install 'spatialclaw[heic]'"
        )
    return Check("program", "HEIC pictures", "ok", "readable")


def _files(resolved: Resolved) -> list[Check]:
    folder = resolved.settings.runs_dir
    parent = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path.cwd())
    try:
        with tempfile.TemporaryFile(dir=parent):
            free = shutil.disk_usage(parent).free / 1e9
    except OSError as error:
        return [
            Check(
                "files",
                "runs folder",
                "no",
                f"{folder}: {error.strerror}",
                "choose another place with --runs-dir",
            )
        ]
    state: State = "ok" if free > 1 else "partly"
    return [Check("files", "runs folder", state, f"{folder}, {free:.1f} GB free")]


def _confinement() -> list[Check]:
    from spatialclaw.kernel.launch import probe

    return [
        Check(
            "confinement",
            layer.name,
            "ok" if layer.holds else "no" if layer.needed else "partly",
            layer.detail,
            "" if layer.holds else layer.remedy,
        )
        for layer in probe()
    ]


async def _attempt(
    group: str, name: str, attempt: Callable[[], Awaitable[list[Check]]]
) -> list[Check]:
    try:
        return await attempt()
    except SpatialclawError as error:
        return [Check(group, name, "no", error.message, error.hint or "")]


async def _kernel(resolved: Resolved) -> list[Check]:
    from spatialclaw.api import open_kernel

    async with open_kernel(resolved.settings) as kernel:
        result = await kernel.execute("print(6 * 7)", timeout=30)
    if result.stdout.strip() != "42":
        why = result.error.message if result.error else "it printed nothing"
        return [Check("kernel", "start", "no", why)]
    level = resolved.settings.confine
    state: State = "ok" if level == "strict" else "partly"
    return [Check("kernel", "start", state, f"a cell runs, confined: {level}")]


async def _backend(resolved: Resolved) -> list[Check]:
    from spatialclaw.backends import resolve

    chosen = await resolve(resolved.settings, sources=resolved.sources)
    backend = chosen.backend
    try:
        model = f" with model {backend.model}" if backend.model else ""
        state: State = "partly" if backend.name == "builtin" else "ok"
        remedy = (
            "set OPENAI_BASE_URL and OPENAI_API_KEY, or start a local server, to let a VLM answer"
            if backend.name == "builtin"
            else ""
        )
        return [Check("backend", backend.name, state, f"{chosen.why}{model}", remedy)]
    finally:
        await backend.aclose()


async def _vlm(resolved: Resolved) -> list[Check]:
    from spatialclaw.backends import resolve
    from spatialclaw.backends.probe import probe

    backend = (await resolve(resolved.settings, sources=resolved.sources)).backend
    try:
        if backend.chat is None:
            return [Check("backend", "vlm", "no", f"the backend {backend.name} has no VLM")]
        found = await probe(backend.chat)
    finally:
        await backend.aclose()
    right = [name for name, ok in found.right.items() if ok]
    wrong = [name for name, ok in found.right.items() if not ok]
    detail = f"of a drawn picture it read {', '.join(right) or 'nothing'}"
    detail += f", not {', '.join(wrong)}" if wrong else ""
    seconds = f" ({found.seconds:.1f} s)"
    if not found.sees:
        why = f"{detail}: {found.error}" if found.error else detail
        return [
            Check(
                "backend", "vlm sees", "no", why + seconds,
                "choose a vision model, or load the server's vision part (such as mmproj)",
            )
        ]  # fmt: skip
    checks = [Check("backend", "vlm sees", "ok" if not wrong else "partly", detail + seconds)]
    if found.convention is None:
        off = "no point came" if found.off is None else f"off by {found.off:.0%} of the diagonal"
        checks.append(
            Check("backend", "vlm points", "partly", off, "do not rely on locate with this model")
        )
    else:
        how = f"in {found.convention}, off by {found.off or 0:.1%} of the diagonal"
        checks.append(Check("backend", "vlm points", "ok", how))
    if found.max_images is not None:
        limit = f"{found.max_images} pictures in a request"
        checks.append(
            Check("backend", "vlm pictures", "partly", limit, "vLLM: raise --limit-mm-per-prompt")
        )
    elif found.error:
        checks.append(Check("backend", "vlm pictures", "partly", found.error))
    return checks


def _perception(resolved: Resolved) -> list[Check]:
    without = "depth from captures, stereo and views; colours, markers, people; motion; tracking"
    checks = [Check("perception", "without weights", "ok", without)]
    try:
        if resolved.settings.perception_url:
            return [*checks, _remote_perception(resolved)]
        return [*checks, _models(), _service(), _kept_results()]
    except SpatialclawError as error:
        return [*checks, Check("perception", "service", "no", error.message, error.hint or "")]


def _models() -> Check:
    from spatialclaw.perception.registry import offers

    found = offers()
    here = [f"{offer.method} ({offer.model})" for offer in found if offer.model]
    if not here:
        remedy = f"{found[0].command}; `spatialclaw models list` tells of the others"
        return Check("perception", "models", "no", "no weights on this machine", remedy)
    missing = ", ".join(offer.method for offer in found if not offer.model)
    more = "`spatialclaw models list` tells what brings the rest" if missing else ""
    none = f"; none for {missing}" if missing else ""
    return Check(
        "perception", "models", "partly" if missing else "ok", ", ".join(here) + none, more
    )


def _service() -> Check:
    from spatialclaw.perception.places import socket_path
    from spatialclaw.perception.starting import status

    state = status()
    if state is None:
        detail = f"not running; the first call to a model starts it ({socket_path()})"
        return Check("perception", "service", "ok", detail)
    loaded = [f"{m['name']} on {m['device']}, {m['memory'] / 1e6:.0f} MB" for m in state["models"]]
    detail = (
        f"running, process {state['pid']}, {state['calls']} calls, "
        f"loaded: {'; '.join(loaded) or 'none'}"
    )
    return Check("perception", "service", "ok", detail)


def _kept_results() -> Check:
    from spatialclaw.perception import places
    from spatialclaw.perception.cache import ResultCache
    from spatialclaw.perception.weights import size_text

    folder, limit = places.cache_folder(), places.limits().cache_bytes
    entries = list(ResultCache(folder, limit).entries())
    size = size_text(sum(entry.bytes for entry in entries))
    detail = f"{len(entries)} results, {size} of {size_text(limit)} in {folder}"
    return Check("perception", "cache", "ok", detail)


def _remote_perception(resolved: Resolved) -> Check:
    from spatialclaw.perception.remote import Directory, addresses

    secret = resolved.settings.perception_token
    known = Directory(
        addresses(resolved.settings.perception_url),
        secret.get_secret_value() if secret is not None else "",
    ).ask()
    here = [f"{method} ({model})" for method, (model, _) in known.items() if model]
    where = str(resolved.settings.perception_url)
    if known:
        return Check("perception", where, "ok" if here else "partly", ", ".join(here) or "no model")
    return Check(
        "perception",
        where,
        "no",
        "no server answers, or none takes the token",
        "start one there with `spatialclaw serve`; SPATIALCLAW_PERCEPTION_TOKEN is what it prints",
    )
