"""What an attempt tries to reach: files, processes, sockets and memory of this machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import spatialclaw
from spatialclaw.kernel.launch.confine.environment import ALLOWED

_SECRET = ctypes.create_string_buffer(b"in-clear")
_IPC_CREAT = 0o1000


def _serve(sock: socket.socket, stream: bool) -> None:
    def loop() -> None:
        with contextlib.suppress(OSError):  # closed at the end of the tests
            while True:
                if stream:
                    conn, _ = sock.accept()
                    with conn, contextlib.suppress(OSError):
                        conn.sendall(b"hello")
                else:
                    _data, address = sock.recvfrom(2000)
                    sock.sendto(b"hello", address)

    threading.Thread(target=loop, daemon=True).start()


class Targets:
    """Targets for one kernel; `close` removes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        for name in ("secret", "victim_file", "doomed"):
            (folder / name).write_text("secret")
        (folder / "outside").mkdir()
        self.home = Path(tempfile.mkdtemp(prefix=".spatialclaw-test-", dir=Path.home()))
        (self.home / "secret").write_text("secret")
        self.key = f"sk-{uuid.uuid4().hex}"
        self.sockets = {
            "tcp": socket.create_server(("127.0.0.1", 0)),
            "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "unix": socket.socket(socket.AF_UNIX),
            "datagram": socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
            "abstract": socket.socket(socket.AF_UNIX),
        }
        self.sockets["udp"].bind(("127.0.0.1", 0))
        self.short = Path(tempfile.mkdtemp(prefix="sc-", dir="/tmp"))
        self.sockets["unix"].bind(str(self.short / "u"))
        self.sockets["datagram"].bind(str(self.short / "d"))
        self.abstract = f"spatialclaw-{uuid.uuid4().hex}"
        self.sockets["abstract"].bind("\0" + self.abstract)
        for name, sock in self.sockets.items():
            if name in ("unix", "abstract"):
                sock.listen()
            if name != "datagram":
                _serve(sock, stream=name != "udp")
        self.http = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._web, daemon=True).start()
        self.shm = shared_memory.SharedMemory(create=True, size=64)
        self.shm.buf[:6] = b"secret"
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.shmat.restype = ctypes.c_void_p
        self.sysv = uuid.uuid4().int & 0x3FFFFFFF
        self.sysv_id = self.libc.shmget(self.sysv, 64, _IPC_CREAT | 0o600)
        place = self.libc.shmat(self.sysv_id, None, 0)
        ctypes.memmove(place, b"secret", 6)
        self.fd = os.open(folder / "secret", os.O_RDONLY)
        self._victim: subprocess.Popen[bytes] | None = None

    def _web(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end of the tests
            while True:
                conn, _ = self.http.accept()
                with conn, contextlib.suppress(OSError):
                    conn.recv(4096)
                    conn.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    def victim(self) -> int:
        """A sleeping process in a group of its own, with a key in its environment."""
        if self._victim is None or self._victim.poll() is not None:
            self._victim = subprocess.Popen(
                ["sleep", "600"], env={"KEY": self.key}, start_new_session=True
            )
        return self._victim.pid

    def describe(self) -> dict[str, Any]:
        """`T` of the cells."""
        environment = Path("/proc/self/environ").read_bytes().decode(errors="replace").split("\0")
        host_variable = next(
            variable
            for variable in environment
            if len(variable) > 8
            and not ALLOWED.fullmatch(variable.split("=")[0])
            and not variable.startswith("PYTHON")  # the template is started with some of them
        )
        return {
            "secret": str(self.folder / "secret"),
            "victim_file": str(self.folder / "victim_file"),
            "doomed": str(self.folder / "doomed"),
            "outside": str(self.folder / "outside"),
            "home": str(self.home),
            "home_secret": str(self.home / "secret"),
            "package": str(Path(spatialclaw.__file__)),
            "installed": str(Path(sys.modules["pytest"].__file__ or "")),
            "key": self.key,
            "host_variable": host_variable,
            "host_pid": os.getpid(),
            "address": ctypes.addressof(_SECRET),
            "fd": self.fd,
            "victim": self.victim(),
            "shm": self.shm.name,
            "sysv": self.sysv,
            "port": self.sockets["tcp"].getsockname()[1],
            "udp": self.sockets["udp"].getsockname()[1],
            "http": self.http.getsockname()[1],
            "hostname": socket.gethostname(),
            "abstract": self.abstract,
            "unix": str(self.short / "u"),
            "unix_datagram": str(self.short / "d"),
        }

    def close(self) -> None:
        """Removes everything."""
        for sock in (*self.sockets.values(), self.http):
            sock.close()
        if self._victim is not None:
            self._victim.kill()
            self._victim.wait()
        self.shm.close()
        self.shm.unlink()
        self.libc.shmctl(self.sysv_id, 0, None)
        os.close(self.fd)
        for folder in (self.home, self.short):
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
