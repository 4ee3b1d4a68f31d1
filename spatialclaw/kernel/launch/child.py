"""The forked process, from the fork to the kernel's own code: confinement, then `inside.main`.

Runs in a single-threaded process. Whatever fails before the kernel's code is told to the host as a
typed message, with the layer that failed.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from spatialclaw.kernel.launch.confine import landlock, libc, limits, namespaces, seccomp

__all__ = ["wait"]

_PR_SET_PDEATHSIG = 1


def wait(parent: socket.socket, *, furniture: dict[str, Any] | None, user: int | None) -> NoReturn:
    """Waits for work and does it; ends when `parent` is closed.

    Args:
        parent: To the template.
        furniture: See `namespaces.Furniture`; None in a process that stays in our namespaces.
        user: The user id on the machine that this process is to have, or None for its own.
    """
    _close_all_but(parent.fileno())
    trouble = ""
    notes: tuple[str, ...] = ()
    if furniture is not None:
        _isolate(parent)
        try:
            notes = namespaces.furnish(namespaces.Furniture(**furniture))
        except OSError as error:
            trouble = str(error)
    fds = array.array("i")
    _data, extra, _flags, _address = parent.recvmsg(1, socket.CMSG_SPACE(4))
    for _level, _kind, payload in extra:
        fds.frombytes(payload[: fds.itemsize])
    if not fds:
        os._exit(0)  # not wanted any more
    parent.close()
    talk = socket.socket(fileno=fds[0])
    if trouble:
        _fail(talk, "namespaces", trouble)
    _run(talk, time.monotonic(), furniture, user, list(notes))


def _isolate(parent: socket.socket) -> None:
    """Leaves the machine's namespaces; returns in the first process of the new ones."""
    try:
        namespaces.leave()
    except OSError as error:
        parent.send(f"this user may not make namespaces ({error.strerror})".encode())
        os._exit(70)
    parent.send(b"left")
    if parent.recv(16) != b"mapped":
        os._exit(70)
    pid = os.fork()
    if pid:
        parent.send(str(pid).encode())
        os._exit(0)


def _run(
    talk: socket.socket,
    started: float,
    furniture: dict[str, Any] | None,
    user: int | None,
    notes: list[str],
) -> NoReturn:
    """Reads what to run, confines this process and becomes the kernel."""
    layer = "start"
    isolated = furniture is not None
    try:
        plan, stderr = _receive(talk)
        _streams(stderr)
        os.setsid()
        _signals()
        os.environ.clear()
        os.environ.update(plan["env"])
        layers = ["environment"]
        if plan["limits"]:
            limits.sacrifice()
        if furniture is not None:
            layer = "namespaces"
            room = namespaces.Room(**plan["room"])
            namespaces.move_in(furniture["new"], room, root=user is not None)
            layers.append(layer)
        else:
            os.chdir(plan["cwd"])
        layer = "landlock"
        if plan["landlock"]:
            landlock.restrict(landlock.Rules(**{k: tuple(v) for k, v in plan["landlock"].items()}))
            layers.append(layer)
        layer = "limits"
        if plan["limits"]:
            limits.apply(limits.Limits(**plan["limits"]), own_namespace=isolated)
            layers.append(layer)
        layer = "seccomp"
        if plan["seccomp"]:
            seccomp.load()
            layers.append(layer)
        layer = "start"
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _forget(plan)
        from spatialclaw.kernel.inside import main
    except BaseException as error:  # whatever it is, the host has to hear of it
        _fail(talk, layer, f"{type(error).__name__}: {error}")
    _say(talk, {"confined": layers, "notes": notes, "seconds": time.monotonic() - started})
    talk.close()
    if isolated and "--life" not in plan["argv"]:
        _become_init()
    main(plan["argv"])


def _become_init() -> None:
    """Forks; returns in the child and never in the caller.

    The caller, the first process of its pid namespace, collects orphans, passes signals on and ends
    as the child ends. A guard does all that itself. Without either, signals that a kernel sends to
    itself would be ignored: the first process of a namespace cannot be killed from within.
    """
    pid = os.fork()
    if pid == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setpgid(0, 0)
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(pid, received))
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _receive(talk: socket.socket) -> tuple[dict[str, Any], int]:
    fds = array.array("i")
    data, extra, _flags, _address = talk.recvmsg(1 << 20, socket.CMSG_SPACE(4))
    for level, kind, payload in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(payload[: fds.itemsize])
    if not data or not fds:
        os._exit(0)  # the host has gone
    plan: dict[str, Any] = json.loads(data)
    return plan, fds[0]


def _streams(stderr: int) -> None:
    """Standard streams from nowhere and to the host's pipe."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(stderr, 2)
    os.close(null)
    os.close(stderr)


def _close_all_but(keep: int) -> None:
    os.closerange(3, keep)
    os.closerange(keep + 1, 1 << 20)


def _signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1)


def _forget(plan: dict[str, Any]) -> None:
    """Points modules that remember the parent's folders to ours."""
    import tempfile

    tempfile.tempdir = None
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is not None:
        for name in ("get_configdir", "get_cachedir"):
            with contextlib.suppress(AttributeError):
                getattr(matplotlib, name).cache_clear()
    sys.dont_write_bytecode = True
    sys.argv = ["kernel", *plan["argv"]]
    Path(os.environ["TMPDIR"]).mkdir(parents=True, exist_ok=True)


def _say(talk: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the host has gone; the template ends us
        talk.send(json.dumps(message).encode())


def _fail(talk: socket.socket, layer: str, message: str) -> NoReturn:
    _say(talk, {"failed": layer, "message": message})
    os._exit(70)
