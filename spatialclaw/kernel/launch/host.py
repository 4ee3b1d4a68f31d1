"""The host's end of the template: one for each process of ours, started when first wanted."""

from __future__ import annotations

import array
import asyncio
import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from spatialclaw.errors import KernelStartError
from spatialclaw.kernel.launch import view
from spatialclaw.kernel.launch.confine import environment
from spatialclaw.kernel.launch.reaping import MARK, PREFIX, owner

__all__ = ["CAN_FORK", "Line", "Template", "own", "shared", "stop"]

CAN_FORK = sys.platform == "linux"
"""Whether there is a template; elsewhere kernels are fresh interpreters (`plain.py`)."""

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1])['path']; "
    "from spatialclaw.kernel.launch.template import main; main()"
)


class Line:
    """What ties the host to one forked process.

    Attributes:
        template: Socket to the template: process id and exit; hanging up kills.
        talk: Socket to the forked process until it is confined.
        stderr: Reading end of its standard error.
    """

    def __init__(self, template: socket.socket, talk: socket.socket) -> None:
        self.template = template
        self.talk = talk
        for end in (template, talk):
            end.setblocking(False)
        self.stderr, self._writing = os.pipe()
        os.set_blocking(self.stderr, False)

    def tell(self, plan: dict[str, Any]) -> None:
        """Sends the forked process what it is to do, with its standard error."""
        try:
            self.talk.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            with contextlib.suppress(OSError):  # it has gone: what it said last is read next
                self.talk.sendmsg([json.dumps(plan).encode()], [_rights(self._writing)])
        finally:
            os.close(self._writing)
            self._writing = -1

    def receive(self) -> dict[str, Any] | None:
        """The template's next message, or None when there is none now."""
        try:
            data = self.template.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:  # the template is gone, and all it forked with it
            return {"exit": -9}
        message: dict[str, Any] = json.loads(data)
        return message

    async def readable(self, seconds: float | None) -> None:
        """Waits until `receive` has something, or for `seconds`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        own = os.dup(self.template.fileno())  # several may wait
        loop.add_reader(own, _wake, future)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(future, seconds)
        finally:
            loop.remove_reader(own)
            os.close(own)

    def hang_up(self) -> None:
        """Has the template kill the process."""
        with contextlib.suppress(OSError):  # it is closed, or the template is gone
            self.template.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Frees the descriptors; kills a process that still runs."""
        self.template.close()
        self.talk.close()
        for fd in (self.stderr, self._writing):
            if fd >= 0:
                os.close(fd)
        self.stderr = self._writing = -1


class Template:
    """A template process.

    Args:
        preload: Whether it imports everything first. Without, it is a fresh interpreter.

    Raises:
        KernelStartError: It does not start.
    """

    def __init__(self, *, preload: bool) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.lock = threading.Lock()
        self.hello: dict[str, Any] | None = None
        cache = tempfile.gettempdir()
        self.folder = tempfile.mkdtemp(prefix=PREFIX)
        (Path(self.folder) / "owner").write_text(owner(), encoding="utf-8")
        new = f"{self.folder}/new"
        Path(new).mkdir()
        with theirs:
            config = {
                "furniture": {"new": new, **view.furniture()},
                "fd": theirs.fileno(),
                "path": [os.path.abspath(p) for p in sys.path],  # noqa: PTH100
                "preload": preload,
            }
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.words,
                pass_fds=[theirs.fileno()],
                env=_environment(cache),
                cwd="/",
                start_new_session=True,
            )

    def ready(self, seconds: float = 60.0) -> dict[str, Any]:
        """Waits until it serves; its hello: ``pid``, ``threads``, ``seconds``.

        Raises:
            KernelStartError: It does not.
        """
        with self.lock:
            if self.hello is None:
                self.control.settimeout(seconds)
                try:
                    data = self.control.recv(65536)
                except OSError as error:
                    data = json.dumps({"failed": str(error)}).encode()
                hello = json.loads(data) if data else {"failed": self.last_words()}
                if "failed" in hello:
                    self.stop()
                    last = hello["failed"].strip().splitlines() or ["it ended without a word"]
                    raise KernelStartError(
                        f"the template of kernels does not start: {last[-1]}",
                        hint="`spatialclaw doctor` tells more",
                    )
                self.hello = hello
                self.own(self.folder)
            return self.hello

    def last_words(self) -> str:
        """What it wrote to standard error."""
        self.words.seek(0)
        return self.words.read()[-4000:].decode("utf-8", "replace")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def request(self, *, isolated: bool) -> Line:
        """Has it fork a process that waits for its plan.

        Raises:
            KernelStartError: The template is gone.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        talk, their_talk = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            letter = b"i" if isolated else b"p"
            self.control.sendmsg([letter], [_rights(theirs.fileno(), their_talk.fileno())])
        except OSError as error:
            for end in (ours, talk):
                end.close()
            raise KernelStartError(f"the template of kernels is gone ({error.strerror})") from None
        finally:
            theirs.close()
            their_talk.close()
        return Line(ours, talk)

    def own(self, folder: str, *, yes: bool = True) -> None:
        """Has it remove a folder when this process has died, or no longer.

        Raises:
            OSError: The template is gone.
        """
        self.control.send((b"o" if yes else b"x") + os.fsencode(folder))

    def stop(self) -> None:
        """Ends it, and every process that it forked."""
        self.control.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.words.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _rights(*fds: int) -> tuple[int, int, array.array[int]]:
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds)


def _environment(cache: str) -> dict[str, str]:
    """The allow-list; caches are the user's, since the template is ours and runs no cell."""
    import platformdirs

    made = environment.build({}, work=cache)
    made["HOME"] = cache
    made[MARK] = owner()
    made["MPLCONFIGDIR"] = platformdirs.user_cache_dir("spatialclaw", ensure_exists=True)
    return made


_lock = threading.RLock()
_folders: set[str] = set()
_shared: Template | None = None
_owner = 0


def shared() -> Template:
    """The template of this process; started when there is none that lives."""
    global _shared, _owner
    with _lock:
        if _shared is None or _owner != os.getpid() or not _shared.alive:
            if _shared is not None and _owner == os.getpid():
                _shared.stop()
            _shared = Template(preload=True)
            _owner = os.getpid()
            atexit.register(stop)
            for folder in _folders:
                _shared.own(folder)
        return _shared


def own(folder: str, *, yes: bool = True) -> None:
    """Remembers a folder of ours for the template, which outlives us for a moment."""
    with _lock:
        (_folders.add if yes else _folders.discard)(folder)
        if _shared is not None and _owner == os.getpid():
            with contextlib.suppress(OSError):  # it is gone; the next one is told all of them
                _shared.own(folder, yes=yes)


def stop() -> None:
    """Ends the template of this process, which removes the folders that we still own."""
    global _shared
    with _lock:
        if _shared is not None and _owner == os.getpid():
            _shared.stop()
            _folders.clear()
        _shared = None
