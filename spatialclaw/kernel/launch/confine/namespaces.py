"""Namespaces: a kernel sees its own few files, its own processes and no network.

The order of events (`template.py` runs it): `leave` in a forked process, `write_maps` by its
parent, another fork (the first process of the new pid namespace), `build` there.

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

__all__ = ["Room", "build", "choose_user", "leave", "write_maps"]

INSIDE = 1000
"""User and group id as the kernel sees itself."""

HOME = "/kernel"
"""Where the scratch really lies in a kernel's view; its path on the machine is a link to here.

Landlock's rules hold for all that lies below, mounts included: a scratch in the machine's /dev/shm
must not lie below the kernel's own /dev/shm, where it may write what it likes.
"""

_DEVICES = ("null", "zero", "full", "random", "urandom")
_MASKED = ("kcore", "keys", "sysrq-trigger", "timer_list", "kallsyms")
_FILES = {
    "/etc/passwd": f"kernel:x:{INSIDE}:{INSIDE}::/:/bin/false\n",
    "/etc/group": f"kernel:x:{INSIDE}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


@dataclass(frozen=True)
class Room:
    """What a kernel sees.

    Attributes:
        read: Files and folders, shown read-only at their own paths.
        links: Symbolic links to make: path -> target.
        scratch: The kernel's scratch on the machine, of which `ipc` is shared with it.
        work_bytes: Size of that, /tmp and /dev/shm together.
        files: Small files to write into the scratch: name -> content.
    """

    read: tuple[str, ...]
    links: dict[str, str]
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


def build(room: Room, *, root: bool) -> tuple[str, ...]:
    """Makes the file system of the kernel the only one, and gives up all rights over it.

    Called in the first process of the new pid namespace.

    Args:
        room: What is to be seen.
        root: Whether user id 0 is mapped (the host is root).

    Returns:
        What could not be had and is missing (`/proc`), in words.

    Raises:
        OSError: A mount is refused.
    """
    new = f"{room.scratch}/work"  # an empty folder that hides nothing while we mount on it
    libc.mount("none", "/", None, MS.REC | MS.PRIVATE)
    libc.mount("tmpfs", new, "tmpfs", MS.NOSUID | MS.NODEV, "mode=755,size=4m")
    _devices(new)
    _own_files(new, room, root=root)
    for path in room.read:
        _show(new, path)
    for path, target in {**room.links, room.scratch: HOME}.items():
        _place(new, path).symlink_to(target)
    notes = _processes(new)
    for path, content in _FILES.items():
        _place(new, path).write_text(content)
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
    return notes


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


def _own_files(new: str, room: Room, *, root: bool) -> None:
    """One file system of limited size; the kernel's folder, /tmp and /dev/shm are in it."""
    own = _place(new, HOME)
    own.mkdir()
    options = f"mode=755,size={room.work_bytes},nr_inodes=65536"
    flags = MS.NOSUID | MS.NODEV | MS.NOEXEC
    libc.mount("tmpfs", str(own), "tmpfs", flags, options)
    for name in ("work", "work/tmp", "tmp", "shm"):
        folder = own / name
        folder.mkdir(mode=0o700)
        os.chown(folder, INSIDE, INSIDE)
    for name, path in (("tmp", "/tmp"), ("shm", "/dev/shm")):  # noqa: S108
        place = _place(new, path)
        place.mkdir()
        libc.mount(str(own / name), str(place), None, MS.BIND)
    for name, content in room.files.items():
        (own / name).write_text(content)
    if root:
        os.chown(f"{room.scratch}/ipc", INSIDE, INSIDE)
    ipc = own / "ipc"
    ipc.mkdir()
    libc.mount(f"{room.scratch}/ipc", str(ipc), None, MS.BIND)
    libc.mount("none", str(ipc), None, MS.BIND | MS.REMOUNT | flags)
