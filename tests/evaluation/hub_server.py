"""A hub of one's own: the few endpoints that huggingface_hub needs, and the ways they fail."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves one data set.

    Attributes:
        files: Path to content.
        status: Of every answer, where it is to be refused; with `error` as X-Error-Code.
        files_status: Likewise, of the files alone.
        break_after: Close the connection after so many bytes of a file, once a file.
        spoil: Files of which other bytes are sent than are announced.
        log: (method, path, Range) of each request.
    """

    def __init__(self, id: str, files: dict[str, bytes]) -> None:
        self.id, self.files = id, files
        self.sha = SHA
        self.older = ""  # a commit before, of which only the list of files is known
        self.status, self.files_status, self.error = 200, 200, ""
        self.break_after: dict[str, int] = {}
        self.spoil: set[str] = set()
        self.large = 200  # bytes from which a file counts as large and has a sha256
        self.sizes: dict[str, int] = {}  # what is said instead of the true size
        self.log: list[tuple[str, str, str]] = []
        self.url = ""
        self.before = self.info()["siblings"]

    def info(self) -> dict[str, Any]:
        siblings = []
        for name, data in self.files.items():
            size = self.sizes.get(name, len(data))
            entry: dict[str, Any] = {"rfilename": name, "size": size, "blobId": blob(data)}
            if len(data) >= self.large:
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": size, "pointerSize": 130}
            siblings.append(entry)
        return {"_id": "1", "id": self.id, "sha": self.sha, "siblings": siblings, "private": False}


def blob(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.serve(body=False)

        def do_GET(self) -> None:
            self.serve(body=True)

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
                self.send_header("X-Error-Message", "refused")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def say(self, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def serve(self, body: bool) -> None:
            wanted = self.headers.get("Range", "")
            hub.log.append((self.command, self.path, wanted))
            path = self.path.partition("?")[0]
            if hub.status != 200:
                return self.refuse(hub.status, hub.error)
            api = f"/api/datasets/{hub.id}"
            if path in (api, f"{api}/revision/main", f"{api}/revision/{hub.sha}"):
                return self.say(hub.info())
            if hub.older and path == f"{api}/revision/{hub.older}":
                return self.say({**hub.info(), "sha": hub.older, "siblings": hub.before})
            if path.startswith(f"{api}/revision/"):
                return self.refuse(404, "RevisionNotFound")
            if hub.files_status != 200:
                return self.refuse(hub.files_status, hub.error)
            name = path.removeprefix(f"/datasets/{hub.id}/resolve/{hub.sha}/")
            if name not in hub.files:
                return self.refuse(404, "RepoNotFound")
            return self.send(name, wanted, body)

        def send(self, name: str, wanted: str, body: bool) -> None:
            data = hub.files[name]
            tag = hashlib.sha256(data).hexdigest() if len(data) >= hub.large else blob(data)
            sent = b"x" * len(data) if name in hub.spoil else data
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{tag}"')
            self.send_header("X-Repo-Commit", hub.sha)
            self.send_header("Accept-Ranges", "bytes")
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            if not body:
                return
            cut = hub.break_after.pop(name, None)
            self.wfile.write(sent[start:] if cut is None else sent[start : start + cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True

    return Handler


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
