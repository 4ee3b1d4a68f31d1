"""The guard: the first process of a kernel, parent of everything the kernel starts.

It holds one Unix socket to the host (the life line). When that closes, by whatever death of the
host, everything below the guard is killed and the guard ends. It collects the exit status of the
kernel, passes signals on, wakes and drops snapshots, and drains what is written past Python to file
descriptors 1 and 2.

Both directions of the life line are JSON objects, one a line. The host sends ``{"op":
"signal"|"kill"|"wake"|"drop"|"sizes"|"flush"|"end", "n": request number, ...}``; the guard sends
``{"e": "hello"|"ready"|"exit"|"snap"|"gone"|"done", ...}``. Generations (``gen``) count the
processes that have been the kernel: 0 first, one more with every waking of a snapshot.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Any

from spatialclaw.kernel.inside.tree import (
    descendants,
    die_with_parent,
    end_all,
    private_bytes,
    subreaper,
)
from spatialclaw.kernel.inside.wire import Raw, Tie, receive, transmit

__all__ = ["supervise"]

_YES = struct.pack("Q", 1)


@dataclass
class _Live:
    gen: int
    pid: int
    channel: socket.socket


@dataclass
class _Sleeper:
    name: str
    channel: socket.socket
    pid: int = 0


class _Guard:
    def __init__(self, life: socket.socket) -> None:
        self.life = life
        self.inbox = bytearray()
        self.selector = selectors.DefaultSelector()
        self.live: dict[int, _Live] = {}
        self.sleepers: dict[str, _Sleeper] = {}
        self.raw = {1: Raw(), 2: Raw()}
        self.count = 0
        self.pipes: dict[int, int] = {}
        self.writers: dict[int, int] = {}

    # -- starting ------------------------------------------------------------------------------
    def first(self) -> Tie | None:
        """Forks the kernel; returns its tie in the kernel and None in the guard."""
        for fd in (1, 2):
            self.pipes[fd], self.writers[fd] = os.pipe()
        self.drained = mmap.mmap(-1, mmap.PAGESIZE)  # shared with what is forked below
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            for fd in (1, 2):
                os.dup2(self.writers[fd], fd)
                os.close(self.writers[fd])
                os.close(self.pipes[fd])
            self.life.close()
            ours.close()
            os.setpgid(0, 0)
            return Tie(theirs, 0, self.drained)
        theirs.close()
        with contextlib.suppress(OSError):  # the child does it too; whoever comes first
            os.setpgid(pid, pid)
        self._add_live(0, pid, ours)
        return None

    def _add_live(self, gen: int, pid: int, channel: socket.socket) -> None:
        channel.setblocking(False)
        self.live[gen] = _Live(gen, pid, channel)
        self.selector.register(channel, selectors.EVENT_READ, ("kernel", gen))

    # -- the loop ------------------------------------------------------------------------------
    def watch(self) -> None:
        wake_r, wake_w = os.pipe()
        os.set_blocking(wake_r, False)
        os.set_blocking(wake_w, False)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.finish())
        for fd, pipe in self.pipes.items():
            os.set_blocking(pipe, False)
            self.selector.register(pipe, selectors.EVENT_READ, ("raw", fd))
        self.selector.register(self.life, selectors.EVENT_READ, ("host", 0))
        self.selector.register(wake_r, selectors.EVENT_READ, ("signal", wake_r))
        self.tell(e="hello", pid=os.getpid())
        self.reap()
        while True:
            for key, _mask in self.selector.select():
                kind, which = key.data
                if kind == "host":
                    self.from_host()
                elif kind == "signal":
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_r, 4096)
                    self.reap()
                elif kind == "raw":
                    self.drain(which)
                elif kind == "kernel":
                    self.from_kernel(which)
                else:
                    self.from_sleeper(which)

    def tell(self, **message: Any) -> None:
        try:
            self.life.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.finish()

    def finish(self) -> None:
        """Kills everything below and ends."""
        with contextlib.suppress(OSError):
            self.life.close()
        end_all(os.getpid())
        os._exit(0)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for gen in [live.gen for live in self.live.values() if not live.pid]:
                self.from_kernel(gen)  # it may have said who it is
            for live in list(self.live.values()):
                if live.pid == pid:
                    self.kernel_ended(live, os.waitstatus_to_exitcode(status))
            for sleeper in list(self.sleepers.values()):
                if sleeper.pid == pid:
                    self.forget(sleeper)

    def kernel_ended(self, live: _Live, code: int) -> None:
        self.from_kernel(live.gen)  # what it said last
        self.mute(live)
        live.channel.close()
        del self.live[live.gen]
        if not self.live:
            end_all(os.getpid(), spare=[s.pid for s in self.sleepers.values()])
        for fd in self.pipes:
            self.drain(fd)
        self.tell(e="exit", gen=live.gen, code=code, out=self.raw[1].take(), err=self.raw[2].take())

    def drain(self, fd: int) -> None:
        self.drained[8:16] = _YES
        for _ in range(64):
            try:
                data = os.read(self.pipes[fd], 65536)
            except BlockingIOError:
                break
            if not data:
                break
            self.raw[fd].add(data)
            self.count += len(data)
        self.drained[:16] = struct.pack("QQ", self.count, 0)

    # -- messages ------------------------------------------------------------------------------
    def from_host(self) -> None:
        try:
            data = self.life.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.finish()
        self.inbox += data
        *lines, rest = self.inbox.split(b"\n")
        self.inbox = bytearray(rest)
        for line in lines:
            self.obey(json.loads(line))

    def obey(self, message: dict[str, Any]) -> None:
        op, answer = message["op"], {"e": "done", "n": message.get("n"), "ok": True}
        if op in ("kill", "wake"):
            self.know_sleepers()
        live = self.live.get(message.get("gen", -1))
        if op == "end":
            self.finish()
        elif op == "signal" and live:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(live.pid, message["signal"])
        elif op == "kill" and live:
            self.kill(live)
        elif op == "wake":
            answer["ok"] = self.wake(message)
        elif op == "drop":
            sleeper = self.sleepers.get(message["name"])
            if sleeper:
                self.forget(sleeper)
        elif op == "sizes":  # takes milliseconds for each
            sleepers = [s for s in self.sleepers.values() if s.pid > 0]
            answer["sizes"] = {s.name: private_bytes(s.pid) for s in sleepers}
        elif op == "flush":
            for fd in self.pipes:
                self.drain(fd)
            answer.update(out=self.raw[1].take(), err=self.raw[2].take())
        self.tell(**answer)

    def kill(self, live: _Live) -> None:
        others = [s.pid for s in self.sleepers.values()]
        if not live.pid:
            self.mute(live)
            del self.live[live.gen]
            return
        others += [other.pid for other in self.live.values() if other.gen != live.gen]
        below = descendants(live.pid, spare=others)
        for pid in (live.pid, *below):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if len(self.live) == 1:  # orphans of a kernel cannot be told apart when there are two
            end_all(os.getpid(), spare=[live.pid, *others])

    def from_kernel(self, gen: int) -> None:
        live = self.live.get(gen)
        if live is None:
            return
        while True:
            try:
                message, fds = receive(live.channel)
            except (BlockingIOError, ValueError):
                return
            if message is None:
                self.mute(live)
                if not live.pid:  # it never woke up
                    del self.live[gen]
                    self.tell(e="exit", gen=gen, code=-signal.SIGKILL, out={}, err={})
                return
            if message.get("say") == "awake":
                live.pid = int(message["pid"])
            elif message.get("say") == "ready":
                self.tell(e="ready", gen=gen)
            elif message.get("say") == "snapshot" and fds:
                self.adopt(str(message["name"]), socket.socket(fileno=fds[0]))
            elif message.get("say") == "refused":
                self.tell(e="snap", name=message["name"], ok=False, why=str(message["why"])[:500])
            for fd in fds[1:]:
                os.close(fd)

    def mute(self, live: _Live) -> None:
        """Stops listening to a kernel that closed its end; its exit status comes by itself."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(live.channel)

    def know_sleepers(self, seconds: float = 2.0) -> None:
        """Waits until each sleeping copy has said who it is, so that it can be spared."""
        until = time.monotonic() + seconds
        while any(s.pid <= 0 for s in self.sleepers.values()):
            new = [s.channel for s in self.sleepers.values() if s.pid <= 0]
            ready, _, _ = select.select(new, [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return
            for sleeper in [s for s in self.sleepers.values() if s.channel in ready]:
                self.from_sleeper(sleeper.name)

    def adopt(self, name: str, channel: socket.socket) -> None:
        old = self.sleepers.get(name)
        if old:
            self.forget(old, tell=False)
        channel.setblocking(False)
        self.sleepers[name] = _Sleeper(name, channel)
        self.selector.register(channel, selectors.EVENT_READ, ("sleeper", name))

    def from_sleeper(self, name: str) -> None:
        sleeper = self.sleepers.get(name)
        if sleeper is None:
            return
        try:
            message, _fds = receive(sleeper.channel)
        except (BlockingIOError, ValueError):
            return
        if message is None:
            self.forget(sleeper)
        else:
            fresh = not sleeper.pid
            sleeper.pid = int(message["pid"])
            if fresh:
                self.tell(e="snap", name=name, ok=True)

    def wake(self, message: dict[str, Any]) -> bool:
        sleeper = self.sleepers.get(message["name"])
        if sleeper is None or sleeper.pid <= 0:
            return False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            transmit(sleeper.channel, {**message, "guard": os.getpid()}, [theirs.fileno()])
        except OSError:
            ours.close()
            return False
        finally:
            theirs.close()
        self._add_live(message["gen"], 0, ours)  # it says its number when it is awake
        return True

    def forget(self, sleeper: _Sleeper, *, tell: bool = True) -> None:
        self.sleepers.pop(sleeper.name, None)
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(sleeper.channel)
        sleeper.channel.close()  # it ends by itself when it sees this
        if tell:
            self.tell(e="gone", name=sleeper.name)


def supervise(life_path: str) -> Tie:
    """Becomes the guard of a kernel that is forked here; returns only in the kernel.

    Args:
        life_path: Unix socket on which the host waits for the life line.

    Raises:
        OSError: The host is not there.
    """
    life = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    life.connect(life_path)
    subreaper()
    guard = _Guard(life)
    tie = guard.first()
    if tie is not None:
        return tie
    try:
        guard.watch()
    finally:
        end_all(os.getpid())
        os._exit(70)
