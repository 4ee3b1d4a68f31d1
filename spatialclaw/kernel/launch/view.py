"""What a strictly confined kernel sees: Python, the package, and what it was given."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from spatialclaw.kernel.launch.confine.namespaces import HOME

__all__ = ["furniture", "further", "landlock_rules"]

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/os-release",
)
_PACKAGES = ("site-packages", "dist-packages")


@cache
def _python() -> tuple[str, ...]:
    """Folders of the interpreter, of installed packages and of this package."""
    import spatialclaw

    package = Path(spatialclaw.__file__).parent
    wanted = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    wanted |= {p for p in sys.path if Path(p).name in _PACKAGES and Path(p).is_dir()}
    wanted |= {str(package), str((package / "primitives").resolve())}
    wanted |= {str(Path(p).resolve()) for p in wanted}
    return tuple(_outermost(wanted))


def _outermost(paths: Iterable[str]) -> list[str]:
    """Drops what lies below another path of the list."""
    kept: list[str] = []
    for path in sorted({os.path.abspath(p) for p in paths}, key=len):  # noqa: PTH100
        if not any(path == k or path.startswith(k.rstrip("/") + "/") for k in kept):
            kept.append(path)
    return kept


@cache
def _machine() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """System folders and settings that exist, and the links among them."""
    shown, links = [], []
    for name in (*_SYSTEM, *_SETTINGS):
        path = Path(name)
        if path.is_symlink():
            links.append((name, str(path.readlink())))
        elif path.exists():
            shown.append(name)
    return tuple(shown), tuple(links)


@cache
def _common() -> tuple[str, ...]:
    shown, _links = _machine()
    return tuple(p for p in _outermost([*shown, *_python()]) if not Path(p).is_symlink())


def furniture() -> dict[str, Any]:
    """The fields of `namespaces.Furniture` without `new`."""
    return {"read": list(_common()), "links": dict(_machine()[1])}


def further(read_only: Iterable[Path]) -> list[str]:
    """What has to be shown besides the furniture.

    Raises:
        FileNotFoundError: Something in `read_only` does not exist.
    """
    given = []
    for path in read_only:
        given += [str(path.absolute()), str(path.resolve(strict=True))]
    wanted = _outermost([*_common(), *given])
    return [p for p in wanted if p not in _common() and not Path(p).is_symlink()]


def landlock_rules(read: Iterable[str]) -> dict[str, list[str]]:
    """The fields of `landlock.Rules` for a kernel that sees `read` besides the furniture."""
    devices = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
    return {
        "read": [*_common(), *read],
        "data": ["/proc", "/etc", "/dev", HOME],
        "write": [f"{HOME}/work", "/tmp", "/dev/shm"],  # noqa: S108
        "sockets": [f"{HOME}/ipc"],
        "devices": devices,
    }
