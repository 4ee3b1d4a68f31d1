"""A small hub on this machine: the two calls of the real one that a fetch makes, and its moods."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


class Hub:
    """Serves one repository.

    Attributes:
        files: Content by name.
        stated: What the listing says of a file, where it differs from the truth: sha256 or size.
        cut: Bytes of a body after which the connection breaks, by name; used up by one request.
        gated: Whether everything is refused as by a repository that asks for an agreement.
        commit: What main is.
        ranges: The Range headers that were asked for.
    """

    def __init__(self, repo: str, files: dict[str, bytes]) -> None:
        self.repo = repo
        self.files = files
        self.stated: dict[str, dict] = {}
        self.cut: dict[str, int] = {}
        self.down = False
        self.gated = False
        self.commit = COMMIT
        self.ranges: list[str] = []
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args) -> None:
                """Nothing to stderr."""

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def listing(self) -> dict:
        siblings = []
        for name, content in self.files.items():
            entry = {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
            }
            if name.endswith(".safetensors"):
                entry["lfs"] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 130,
                }
            stated = dict(self.stated.get(name, {}))
            if "sha256" in stated:
                entry["lfs"] = {**entry["lfs"], "sha256": stated.pop("sha256")}
            entry.update(stated)
            siblings.append(entry)
        return {"id": self.repo, "modelId": self.repo, "sha": self.commit, "siblings": siblings}

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = request.path.split("?")[0]
        if self.down:
            request.close_connection = True
            request.connection.close()
            return
        if self.gated:
            headers = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}
            self.send(request, 403, b"{}", headers, body)
            return
        if path.startswith(f"/api/models/{self.repo}"):
            revision = path.rpartition("/revision/")[2] if "/revision/" in path else "main"
            if revision not in ("main", self.commit):
                self.send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
                return
            self.send(request, 200, json.dumps(self.listing()).encode(), {}, body)
            return
        prefix = f"/{self.repo}/resolve/{self.commit}/"
        name = path.removeprefix(prefix)
        if not path.startswith(prefix) or name not in self.files:
            self.send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
            return
        content = self.files[name]
        entry = next(e for e in self.listing()["siblings"] if e["rfilename"] == name)
        tag = entry["lfs"]["sha256"] if "lfs" in entry else entry["blobId"]
        headers = {"X-Repo-Commit": self.commit, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content))}
        status = 200
        if (asked := request.headers.get("Range")) and body:
            self.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        if body:
            self.fetched.append(name)
        cut = self.cut.pop(name, None) if body else None
        self.send(request, status, content, headers, body, cut)

    def send(self, request, status, content, headers, body, cut=None) -> None:
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if not body:
            return
        if cut is None:
            request.wfile.write(content)
            return
        request.wfile.write(content[:cut])
        request.wfile.flush()
        self.down = True  # and from now on nobody answers
        request.close_connection = True
        request.connection.close()
