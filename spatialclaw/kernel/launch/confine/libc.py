"""The calls of the operating system that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from functools import cache
from typing import Any

__all__ = [
    "CLONE_ALL",
    "MACHINE",
    "MS",
    "call",
    "drop_bounding_set",
    "drop_capabilities",
    "mount",
    "prctl",
    "protect_tree",
    "syscall",
    "unshare",
]

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_ALL = (
    CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET
)


class MS:
    """Flags of mount(2)."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    REMOUNT = 32
    BIND = 4096
    REC = 16384
    SLAVE = 1 << 19


MACHINE = platform.machine()

# Numbers of system calls that differ between machines; those from 424 on are the same everywhere.
_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"pivot_root": 155, "capset": 126, "seccomp": 317},
    "aarch64": {"pivot_root": 41, "capset": 91, "seccomp": 277},
}
_SAME = {
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def call(name: str, *arguments: Any) -> int:
    """Calls a function of the C library.

    Raises:
        OSError: It returned -1.
    """
    return _checked(int(getattr(_libc(), name)(*arguments)), name)


def syscall(name: str, *arguments: Any) -> int:
    """Makes a system call by its name.

    Raises:
        OSError: It returned -1, or its number on this machine is not known (ENOSYS).
    """
    number = _SAME.get(name) or _NUMBERS.get(MACHINE, {}).get(name)
    if number is None:
        raise OSError(38, f"{name}: not known on {MACHINE}")
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(int(_libc().syscall(ctypes.c_long(number), *wide)), name)


def prctl(option: int, *values: int) -> int:
    """Sets or asks something about this process.

    Raises:
        OSError: Refused.
    """
    rest = [ctypes.c_ulong(v) for v in (*values, 0, 0, 0, 0)[:4]]
    return call("prctl", ctypes.c_int(option), *rest)


def unshare(flags: int) -> None:
    """Leaves the namespaces that `flags` name for new ones. Single-threaded callers only.

    Raises:
        OSError: The machine does not let us.
    """
    call("unshare", ctypes.c_int(flags))


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str = "") -> None:
    """Mounts or binds something somewhere.

    Raises:
        OSError: Refused; the message names the target.
    """
    try:
        call(
            "mount",
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        )
    except OSError as error:
        raise OSError(error.errno, f"mount {source} on {target}: {error.strerror}") from None


def protect_tree(path: str, *, devices: bool = False) -> None:
    """Makes a mount and all below it read-only, without set-user-id programs and devices.

    Raises:
        OSError: Refused.
    """
    attributes = 0x1 | 0x2 | (0 if devices else 0x4)  # RDONLY, NOSUID, NODEV
    record = struct.pack("=QQQQ", attributes, 0, 0, 0)
    at_fdcwd, recursive = -100, 0x8000
    syscall("mount_setattr", at_fdcwd, path.encode(), recursive, record, len(record))


def drop_bounding_set() -> None:
    """Takes every capability away from whatever will be executed from now on.

    Raises:
        OSError: Refused.
    """
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == 22:  # past the last one this kernel knows
                return
            raise


def drop_capabilities() -> None:
    """Gives up every capability for good: effective, permitted, inheritable, ambient.

    Raises:
        OSError: Refused.
    """
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", 0x20080522, 0)
    syscall("capset", header, struct.pack("=6I", 0, 0, 0, 0, 0, 0))
