"""Which layers of confinement hold on this machine, found out by trying them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

__all__ = ["REMEDIES", "Layer", "probe"]

REMEDIES = {
    "environment": "nothing is needed",
    "fork": "kernels start slower without; nothing else is lost",
    "limits": "raise the hard limits of this user (ulimit -H)",
    "namespaces": (
        "let this user make user namespaces: sysctl -w user.max_user_namespaces=10000, and where "
        "they exist kernel.unprivileged_userns_clone=1 and "
        "kernel.apparmor_restrict_unprivileged_userns=0; in a container: a seccomp profile that "
        "allows unshare and mount"
    ),
    "landlock": "use a Linux 5.13 or newer that is booted with landlock among lsm=",
    "seccomp": "use a Linux with CONFIG_SECCOMP_FILTER on x86-64 or arm64",
    "cgroups": "optional: run under `systemd-run --user --scope -p Delegate=yes`",
}
_LINUX = "strict confinement needs Linux; choose --confine process elsewhere"


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        name: Its name, as in `Launched.layers`.
        holds: Whether it could be put in force just now.
        detail: What it is worth here, or why it cannot be had.
        remedy: What to do about it.
        needed: Whether "strict" needs it.
    """

    name: str
    holds: bool
    detail: str
    remedy: str
    needed: bool = True


def probe() -> list[Layer]:
    """Tries every layer in a process of its own (some 100 ms)."""
    if sys.platform != "linux":
        return [Layer("namespaces", False, "this is no Linux", _LINUX)]
    code = (
        "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
        "from spatialclaw.kernel.launch.probing import main; main()"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, json.dumps([str(Path(p)) for p in sys.path if p])],
            capture_output=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [Layer("namespaces", False, "the trial did not end in 60 s", REMEDIES["namespaces"])]
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"]
        return [Layer("namespaces", False, f"the trial failed: {words[-1]}", "report this")]
    return [Layer(**found) for found in json.loads(done.stdout)]


def main() -> None:
    """Tries, in a fresh interpreter with one thread, and prints JSON."""
    from spatialclaw.kernel.launch.confine import cgroups

    found = [
        Layer("environment", True, "an allow-list; keys and tokens stay on the host", ""),
        _try("limits", _limits),
        _namespaces(),
        _try("landlock", _landlock),
        _try("seccomp", _seccomp),
    ]
    home = cgroups.home()
    detail = f"kernels get groups below {home}" if home else cgroups.why_not()
    found.append(Layer("cgroups", home is not None, detail, REMEDIES["cgroups"], needed=False))
    print(json.dumps([asdict(layer) for layer in found]))


def _try(name: str, attempt: Callable[[], str]) -> Layer:
    """Runs an attempt in a forked process: what it says, or the error it ended with."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _report(writing, attempt)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    holds = said.startswith("+")
    return Layer(name, holds, said[1:] or "the process that tried was killed", REMEDIES[name])


def _report(writing: int, attempt: Callable[[], str]) -> NoReturn:
    try:
        said = "+" + attempt()
    except Exception as error:  # whatever it is, it is the answer
        said = f"-{error}"
    os.write(writing, said.encode())
    os._exit(0)


def _limits() -> str:
    from spatialclaw.kernel.launch.confine import limits

    limits.apply(limits.Limits(1 << 33, 256, 1 << 29, 512, 3600), own_namespace=False)
    return "memory, processes, file size, open files, processor time"


def _landlock() -> str:
    from spatialclaw.kernel.launch.confine import landlock

    version = landlock.restrict(landlock.Rules(read=("/usr",)))
    try:
        os.listdir("/")  # noqa: PTH208
    except PermissionError:
        kept = ["files"] + ["TCP"] * (version >= 4) + ["signals, abstract sockets"] * (version >= 6)
        return f"version {version}: {', '.join(kept)}"
    raise OSError("it is there and does not hold")


def _seccomp() -> str:
    import socket

    from spatialclaw.kernel.launch.confine import seccomp

    seccomp.load()
    try:
        socket.socket(socket.AF_INET)
    except PermissionError:
        count = len(seccomp.REFUSED[os.uname().machine])
        return f"{count} system calls and all sockets but Unix ones refused"
    raise OSError("it is there and does not hold")


def _namespaces() -> Layer:
    from spatialclaw.kernel.launch import view
    from spatialclaw.kernel.launch.confine import namespaces

    user = namespaces.choose_user()
    with tempfile.TemporaryDirectory(prefix="spatialclaw-probe-") as scratch:
        (Path(scratch) / "ipc").mkdir()
        new = f"{scratch}/new"
        Path(new).mkdir()
        furniture = namespaces.Furniture(new=new, **view.furniture())
        room = namespaces.Room((), scratch, 1 << 20, {})

        def build() -> str:
            notes = namespaces.furnish(furniture)
            namespaces.move_in(new, room, root=user is not None)
            return _inside(notes)

        def attempt(go: tuple[int, int], gone: tuple[int, int]) -> str:
            namespaces.leave()
            os.write(gone[1], b"x")
            if not os.read(go[0], 1):
                raise OSError("user ids cannot be mapped")
            reading, writing = os.pipe()
            if os.fork() == 0:
                _report(writing, build)
            os.close(writing)
            said = os.read(reading, 4096).decode()
            if not said.startswith("+"):
                raise OSError(said[1:])
            return said[1:]

        def outer() -> str:
            """The attempt in a child, and the maps of user ids written by us, its parent."""
            go, gone = os.pipe(), os.pipe()
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(go[1])
                os.close(gone[0])
                _report(writing, lambda: attempt(go, gone))
            os.close(writing)
            os.close(gone[1])
            if os.read(gone[0], 1):
                namespaces.write_maps(pid, user)
                os.write(go[1], b"x")
            said = os.read(reading, 4096).decode()
            os.waitpid(pid, 0)
            if not said.startswith("+"):
                raise OSError(said[1:] or "the process that tried was killed")
            return said[1:]

        return _try("namespaces", outer)


def _inside(notes: tuple[str, ...]) -> str:
    seen = [path for path in ("/sys", "/var", "/etc/shadow") if Path(path).exists()]
    if os.getpid() != 1 or seen:
        raise OSError(f"the machine can still be seen: {', '.join(seen) or 'its processes'}")
    return "; ".join(["own user, processes, network, IPC, files and host name", *notes])


if __name__ == "__main__":
    main()
