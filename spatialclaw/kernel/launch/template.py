"""The template: a process that has imported everything and forks kernels on request.

It has one thread, no event loop, no zmq context and no GPU handle, holds no secret (its environment
is the allow-list) and never reads what the host sends to a kernel: each request brings a socket of
its own, which the forked process reads. After a kernel in namespaces of its own it keeps one spare
process ready in such namespaces, in which nothing has run and which knows nothing. When the host's
end of the control socket closes, by whatever death, the template kills what it has forked and ends.

Messages on the control socket: one letter, ``i`` (in namespaces of its own) or ``p`` (not), with
two sockets attached: the template's, on which it says ``{"pid": ...}`` and ``{"exit": ...}`` and
whose hanging up kills the kernel; and the forked process's, see `child.py`. ``o`` and a path: a
folder of the host's that the template removes when the host has died; ``x`` and a path: no longer.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from spatialclaw.kernel.launch.forks import Refused, Waiting, fork_waiting

__all__ = ["main"]

_PR_SET_CHILD_SUBREAPER = 36
_IDLE_SECONDS = 0.05
"""After so long without anything to do, a spare process is forked."""


@dataclass
class _Forked:
    pid: int
    pidfd: int
    conn: socket.socket


class _Template:
    def __init__(
        self, control: socket.socket, furniture: dict[str, Any], *, keeps_spare: bool
    ) -> None:
        self.control = control
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ, None)
        self.furniture = furniture
        self.keeps_spare = keeps_spare
        self.wants_spare = False
        self.spare: Waiting | None = None
        self.forked: dict[int, _Forked] = {}
        self.owned: set[str] = set()

    def serve(self) -> NoReturn:
        while True:
            events = self.selector.select(_IDLE_SECONDS if self.wants_spare else None)
            if not events:
                self.prepare()
            for key, _mask in events:
                if key.data is None:
                    self.request()
                elif key.data in self.forked:
                    forked = self.forked[key.data]
                    if key.fileobj is forked.conn:
                        self.kill(forked)
                    else:
                        self.reap()

    def request(self) -> None:
        try:
            data, extra, _flags, _address = self.control.recvmsg(8192, socket.CMSG_SPACE(8))
        except ConnectionError:
            data, extra = b"", []
        if not data:
            self.finish()
        if data[:1] in (b"o", b"x"):
            change = self.owned.add if data[:1] == b"o" else self.owned.discard
            change(os.fsdecode(data[1:]))
            return
        fds = array.array("i")
        for _level, _kind, payload in extra:
            fds.frombytes(payload[: 2 * fds.itemsize])
        if len(fds) != 2:
            return
        conn, talk = (socket.socket(fileno=fd) for fd in fds)
        try:
            pid = self.fork(talk, isolated=data == b"i")
        except Refused as refusal:
            self.say(talk, {"failed": refusal.layer, "message": refusal.message})
            pid = 0
        finally:
            talk.close()
        if not pid:
            conn.close()
            return
        forked = _Forked(pid, os.pidfd_open(pid), conn)
        self.forked[pid] = forked
        self.say(conn, {"pid": pid})
        self.selector.register(forked.pidfd, selectors.EVENT_READ, pid)
        self.selector.register(conn, selectors.EVENT_READ, pid)

    def fork(self, talk: socket.socket, *, isolated: bool) -> int:
        """Has a process do what `talk` says; its id.

        Raises:
            Refused: There is none.
        """
        waiting = None
        if isolated:
            waiting, self.spare = self.spare, None
            self.wants_spare = self.keeps_spare
        if waiting is not None:
            try:
                waiting.hand(talk)
            except OSError:  # it has ended meanwhile
                waiting.line.close()
            else:
                return waiting.pid
        waiting = fork_waiting(self.furniture if isolated else None)
        with contextlib.suppress(OSError):  # it is dead already: its exit status tells
            waiting.hand(talk)
        return waiting.pid

    def prepare(self) -> None:
        """Forks a spare process: the next kernel then starts sooner."""
        self.wants_spare = False
        with contextlib.suppress(Refused):  # whoever needs one will be told
            self.spare = fork_waiting(self.furniture)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.spare is not None and self.spare.pid == pid:
                self.spare.line.close()
                self.spare = None
            forked = self.forked.pop(pid, None)
            if forked is None:
                continue  # an orphan of a kernel
            self.strays()
            self.say(forked.conn, {"exit": os.waitstatus_to_exitcode(status)})
            self.selector.unregister(forked.pidfd)
            with contextlib.suppress(KeyError):  # the host has closed it
                self.selector.unregister(forked.conn)
            os.close(forked.pidfd)
            forked.conn.close()

    def strays(self) -> None:
        """Kills orphans of kernels that became our children."""
        for _ in range(50):
            spare = self.spare.pid if self.spare else 0
            alive = [pid for pid in _children() if pid not in self.forked and pid != spare]
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            if not alive:
                return

    def kill(self, forked: _Forked) -> None:
        """The host closed its end: the kernel is no longer wanted."""
        self.selector.unregister(forked.conn)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(forked.pidfd, signal.SIGKILL)

    def say(self, conn: socket.socket, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the host does not listen any more
            conn.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)

    def finish(self) -> NoReturn:
        for forked in self.forked.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(forked.pidfd, signal.SIGKILL)
        self.forked.clear()
        self.spare = None  # a stray from here on
        self.strays()
        for folder in self.owned:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


def _children() -> list[int]:
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return []  # a machine without this file: nothing is known
    return [int(pid) for pid in text.split()]


def main() -> NoReturn:
    """Imports, says hello and serves.

    ``sys.argv[1]`` is JSON: ``fd`` (control socket), ``path`` (of modules), ``preload`` (whether to
    import everything) and ``furniture`` (see `namespaces.Furniture`).
    """
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=config["fd"])
    try:
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal's: for the host to act on
            signal.signal(number, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        started = time.monotonic()
        if config["preload"]:
            from spatialclaw.kernel.inside import preload

            preload()
        threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
        hello = {"pid": os.getpid(), "threads": threads, "seconds": time.monotonic() - started}
    except BaseException:  # whatever it is, the host has to hear of it
        control.send(json.dumps({"failed": traceback.format_exc()[-4000:]}).encode())
        os._exit(1)
    gc.collect()
    gc.freeze()
    control.send(json.dumps(hello).encode())
    _Template(control, config["furniture"], keeps_spare=config["preload"]).serve()
