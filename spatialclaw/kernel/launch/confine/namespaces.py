"""Namespaces: a kernel sees its own few files, its own processes and no network.

The order of events (`forks.py` and `child.py` run it): `leave` in a forked process, `write_maps` by
its parent, another fork (the first process of the new pid namespace), `furnish` there, as soon as
it is there, and `move_in` when it is known for which kernel.

User ids: where the host is root, the kernel runs as a user of its own with a high number that owns
nothing on the machine (so that RLIMIT_NPROC binds and files of root stay root's); otherwise as the
same user, without any capability.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from spatialclaw.kernel.launch.confine import libc
from spatialclaw.kernel.launch.confine.libc import MS

__all__ = ["Furniture", "Room", "choose_user", "furnish", "leave", "move_in", "write_maps"]

INSIDE = 1000
"""User and group id as the kernel sees itself."""

HOME = "/kernel"
"""Where the scratch really lies in a kernel's view; its path on the machine is a link to here.

Landlock's rules hold for all that lies below, mounts included: a scratch in the machine's /dev/shm
must not lie below the kernel's own /dev/shm, where it may write what it likes.
"""

_DEVICES = ("null", "zero", "full", "random", "urandom")
_OWN = MS.NOSUID | MS.NODEV | MS.NOEXEC
_MASKED = ("kcore", "keys", "sysrq-trigger", "timer_list", "kallsyms")
_FILES = {
    "/etc/passwd": f"kernel:x:{INSIDE}:{INSIDE}::/:/bin/false\n",
    "/etc/group": f"kernel:x:{INSIDE}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


@dataclass(frozen=True)
class Furniture:
    """What every kernel sees.

    Attributes:
        new: An empty folder of the machine, on which the kernel's file system is built.
        read: Files and folders, shown read-only at their own paths.
        links: Symbolic links to make: path -> target.
    """

    new: str
    read: tuple[str, ...]
    links: dict[str, str]


@dataclass(frozen=True)
class Room:
    """What one kernel sees besides.

    Attributes:
        read: Further files and folders, shown read-only at their own paths.
        scratch: The kernel's scratch on the machine, of which `ipc` is shared with it.
        work_bytes: Size of the kernel's folder, /tmp and /dev/shm together.
        files: Small files to write into the scratch: name -> content.
    """

    read: tuple[str, ...]
    scratch: str
    work_bytes: int
    files: dict[str, str]


def choose_user() -> int | None:
    """For root: the user id that a new kernel gets on the machine. None for anyone else."""
    if os.geteuid() != 0:
        return None
    spans = [
        (int(inside), int(length))
        for inside, _outside, length in (
            line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()
        )
    ]
    wanted = 0x60000000 + secrets.randbits(28)
    for candidate in (wanted, 65534):
        if any(start <= candidate < start + length for start, length in spans):
            return candidate
    return None


def leave() -> None:
    """Enters new namespaces of every kind. The caller is single-threaded and about to fork.

    Raises:
        OSError: The machine does not let this user.
    """
    libc.unshare(libc.CLONE_ALL)


def write_maps(pid: int, user: int | None) -> None:
    """Maps the user ids of a process that has left; by its parent, from outside.

    Raises:
        OSError: Refused.
    """
    if user is None:
        Path(f"/proc/{pid}/setgroups").write_text("deny")
        uid, gid = f"{INSIDE} {os.geteuid()} 1\n", f"{INSIDE} {os.getegid()} 1\n"
    else:
        uid = gid = f"0 0 1\n{INSIDE} {user} 1\n"
    Path(f"/proc/{pid}/uid_map").write_text(uid)
    Path(f"/proc/{pid}/gid_map").write_text(gid)


def furnish(furniture: Furniture) -> tuple[str, ...]:
    """Builds the file system of a kernel as far as it is the same for all.

    Called in the first process of the new pid namespace.

    Returns:
        What could not be had and is missing (`/proc`), in words.

    Raises:
        OSError: A mount is refused.
    """
    new = furniture.new
    libc.call("sethostname", b"kernel", 6)
    libc.mount("none", "/", None, MS.REC | MS.SLAVE)  # what the machine mounts later is seen
    libc.mount("tmpfs", new, "tmpfs", MS.NOSUID | MS.NODEV, "mode=755,size=4m")
    _devices(new)
    _own_files(new)
    for path in furniture.read:
        _show(new, path)
    for path, target in furniture.links.items():
        _place(new, path).symlink_to(target)
    for path, content in _FILES.items():
        _place(new, path).write_text(content)
    return _processes(new)


def move_in(new: str, room: Room, *, root: bool) -> None:
    """Makes the file system that `furnish` built the only one; gives up all rights over it.

    Args:
        new: Where it was built.
        room: What is to be seen besides.
        root: Whether user id 0 is mapped (the host is root).

    Raises:
        OSError: A mount is refused.
    """
    own = _place(new, HOME)
    size = f"size={room.work_bytes},nr_inodes=65536"
    libc.mount("none", str(own), None, MS.REMOUNT | _OWN, size)
    if root:
        os.chown(f"{room.scratch}/ipc", INSIDE, INSIDE)
    libc.mount(f"{room.scratch}/ipc", str(own / "ipc"), None, MS.BIND)
    libc.mount("none", str(own / "ipc"), None, MS.BIND | MS.REMOUNT | _OWN)
    for name, content in room.files.items():
        (own / name).write_text(content)
    for path in room.read:
        _show(new, path)
    _place(new, room.scratch).symlink_to(HOME)
    libc.mount("none", new, None, MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NOSUID | MS.NODEV)
    os.chdir(new)
    libc.syscall("pivot_root", b".", b".")
    libc.call("umount2", b".", 2)  # MNT_DETACH: the machine's files are out of reach from here on
    os.chdir(f"{HOME}/work")
    libc.drop_bounding_set()
    if root:
        os.setgroups([])
        os.setresgid(INSIDE, INSIDE, INSIDE)
        os.setresuid(INSIDE, INSIDE, INSIDE)
    libc.drop_capabilities()
    libc.prctl(libc.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root


def _place(new: str, path: str) -> Path:
    place = Path(new + path)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _show(new: str, path: str) -> None:
    place = _place(new, path)
    if Path(path).is_dir():
        place.mkdir(exist_ok=True)
    else:
        place.touch()
    libc.mount(path, str(place), None, MS.BIND | MS.REC)
    libc.protect_tree(str(place))


def _devices(new: str) -> None:
    for name in _DEVICES:
        place = _place(new, f"/dev/{name}")
        place.touch()
        libc.mount(f"/dev/{name}", str(place), None, MS.BIND)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        _place(new, f"/dev/{name}").symlink_to(f"/proc/self/fd{target}")


def _processes(new: str) -> tuple[str, ...]:
    place = _place(new, "/proc")
    place.mkdir()
    try:
        flags = MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.RDONLY
        libc.mount("proc", str(place), "proc", flags)
    except OSError as error:  # some containers cover parts of /proc and forbid a fresh one
        return (f"no /proc in the kernel ({error.strerror})",)
    for name in _MASKED:
        masked = place / name
        if masked.exists():
            with contextlib.suppress(OSError):  # a second wall: the mount is read-only already
                libc.mount("/dev/null", str(masked), None, MS.BIND)
    return ()


def _own_files(new: str) -> None:
    """One file system of limited size; the kernel's folder, /tmp and /dev/shm are in it."""
    own = _place(new, HOME)
    own.mkdir()
    libc.mount("tmpfs", str(own), "tmpfs", _OWN, "mode=755,size=1m")
    for name in ("work", "work/tmp", "tmp", "shm"):
        folder = own / name
        folder.mkdir(mode=0o700)
        os.chown(folder, INSIDE, INSIDE)
    for name, path in (("tmp", "/tmp"), ("shm", "/dev/shm")):  # noqa: S108
        place = _place(new, path)
        place.mkdir()
        libc.mount(str(own / name), str(place), None, MS.BIND)
    (own / "ipc").mkdir()
