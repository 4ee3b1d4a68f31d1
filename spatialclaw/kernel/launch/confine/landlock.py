"""Landlock: a second wall around files, TCP, signals and abstract Unix sockets.

The namespaces decide what can be seen; Landlock decides once more, by path, what may be done with
it, and holds even where a mount was forgotten. It needs no privilege. It binds the calling thread
and what it starts from then on, so it is applied before any thread exists.

Numbers and their meaning: the kernel's ``include/uapi/linux/landlock.h``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from spatialclaw.kernel.launch.confine import libc

__all__ = ["Rules", "abi", "restrict"]

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_FILE = 1 << 5
MAKE_SOCK = 1 << 9
MAKE_BLOCK = 1 << 11
MAKE_CHAR = 1 << 6
IOCTL_DEV = 1 << 15

_FILES_ONLY = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | IOCTL_DEV
"""Rights that a rule on a single file may name."""

_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL = (1 << 16) - 1


@dataclass(frozen=True)
class Rules:
    """Paths and what may be done below them; a path that does not exist is passed over.

    Attributes:
        read: Read and execute.
        data: Read only, never executed.
        write: Everything but making devices and executing.
        sockets: Unix sockets may be made and removed, nothing else.
        devices: Single files that may be read and written.
    """

    read: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


def abi() -> int:
    """Version of Landlock that this kernel offers; 0 for none."""
    try:
        return libc.syscall("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def restrict(rules: Rules) -> int:
    """Restricts this thread and all that it starts; also sets no_new_privs.

    Returns:
        The version of Landlock in force.

    Raises:
        OSError: Landlock is not there or a rule is refused.
    """
    version = abi()
    if version < 1:
        raise OSError(38, "this kernel has no Landlock, or it is not switched on")
    handled = _HANDLED.get(version, _ALL)
    network = 0b11 if version >= 4 else 0  # bind and connect of TCP
    scopes = 0b11 if version >= 6 else 0  # abstract Unix sockets and signals
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = struct.pack("=QQQ", handled, network, scopes)[:size]
    ruleset = libc.syscall("landlock_create_ruleset", attributes, size, 0)
    try:
        everything = handled & ~(EXECUTE | MAKE_BLOCK | MAKE_CHAR)
        for paths, access in (
            (rules.read, EXECUTE | READ_FILE | READ_DIR),
            (rules.data, READ_FILE | READ_DIR),
            (rules.write, everything),
            (rules.sockets, READ_DIR | MAKE_SOCK | REMOVE_FILE),
            (rules.devices, READ_FILE | WRITE_FILE | IOCTL_DEV),
        ):
            _add(ruleset, paths, access & handled)
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _add(ruleset: int, paths: Iterable[str], access: int) -> None:
    for path in paths:
        try:
            target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            allowed = access if os.path.isdir(path) else access & _FILES_ONLY  # noqa: PTH112
            rule = struct.pack("=Qi", allowed, target)
            libc.syscall("landlock_add_rule", ruleset, 1, rule, 0)
        except OSError as error:
            raise OSError(error.errno, f"Landlock rule for {path}: {error.strerror}") from None
        finally:
            os.close(target)
