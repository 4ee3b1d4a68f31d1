r"""An OpenAI-compatible server on this machine that says what it is told to, faults included.

Real HTTP over a real socket: for tests of everything that talks to a model, and for trying the
program without one::

    with ScriptedServer(["A plan.", "```python\nsubmit(3, 'm')\n```"]) as server:
        sc.ask("photo.jpg", "How far is the cup?", base_url=server.base_url, model=server.model)
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FAULTS", "Reply", "ScriptedServer", "fault", "prompt_tokens"]


@dataclass(frozen=True)
class Reply:
    """One answer of the server.

    Attributes:
        text: Content of the message; None for null.
        status: HTTP status.
        body: Instead of a completion: this, as it is.
        headers: Further headers.
        finish: finish_reason.
        delay: Seconds before it answers.
        drop: Close the connection instead of answering: "before" or "within" the body, or "".
        message: Further fields of the message, such as reasoning_content.
        usage: Instead of counted tokens; None leaves usage out.
        choices: False for an empty list of choices.
    """

    text: str | None = ""
    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str = "stop"
    delay: float = 0.0
    drop: str = ""
    message: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] | None = field(default_factory=dict)
    choices: bool = True


Answer = str | Reply
Script = Iterable[Answer] | Callable[[dict[str, Any]], Answer]

_HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def _error(message: str, kind: str = "invalid_request_error") -> str:
    return json.dumps({"error": {"message": message, "type": kind}})


FAULTS: dict[str, Reply] = {
    "401": Reply(status=401, body=_error("Incorrect API key provided.")),
    "403": Reply(status=403, body=_error("Not allowed.")),
    "404 model": Reply(status=404, body=_error("The model `x` does not exist.")),
    "404 path": Reply(status=404, body='{"detail":"Not Found"}'),
    "429": Reply(status=429, body=_error("Rate limit reached."), headers={"Retry-After": "0.05"}),
    "429 quota": Reply(status=429, body=_error("You exceeded your current quota.")),
    "500": Reply(status=500, body=_error("Internal server error.")),
    "503": Reply(status=503, body="overloaded", headers={"Retry-After": "0.05"}),
    "html": Reply(body=_HTML, headers={"Content-Type": "text/html"}),
    "502 html": Reply(status=502, body=_HTML, headers={"Content-Type": "text/html"}),
    "truncated": Reply(
        body='{"id": "x", "object": "chat.completion", "choices": [{"index": 0, "mes'
    ),
    "empty body": Reply(body=""),
    "no choices": Reply(choices=False),
    "null content": Reply(text=None),
    "error in 200": Reply(body=_error("Provider returned error")),
    "dropped": Reply(drop="before"),
    "dropped within": Reply(drop="within"),
}


def fault(name: str, **changes: Any) -> Reply:
    """A fault by its name in `FAULTS`, with changes."""
    from dataclasses import replace

    return replace(FAULTS[name], **changes)


class ScriptedServer:
    """Answers chat completions from a script.

    Args:
        script: Replies in order, or a function from the request's JSON to a reply. When the list
            has run out, the server answers 500 and says so.
        model: Name of its only model, unless `models` says more.
        models: Names it lists; None answers 404 to the question.
        latency: Seconds before every answer.
        api_key: Requests without it are refused; None takes any.
        check: Called with the request's JSON; returns a refusal or None to go on with the script.

    The small request by which a client first finds out whether a server can be used is answered
    without the script, if it is not refused.

    Attributes:
        requests: JSON of the requests so far.
        checks: JSON of those first requests.
        bodies: Their bytes.
    """

    def __init__(
        self,
        script: Script,
        *,
        model: str = "scripted-vlm",
        models: list[str] | None = None,
        list_models: bool = True,
        latency: float = 0.0,
        api_key: str | None = None,
        check: Callable[[dict[str, Any]], Reply | None] | None = None,
    ) -> None:
        self.model = model
        self.models = models if models is not None else [model]
        self.requests: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.latency = latency
        self._list_models = list_models
        self._key = api_key
        self._check = check
        self._function = script if callable(script) else None
        self._replies = iter(()) if callable(script) else iter(list(script))
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Where it listens."""
        assert self._server is not None, "start the server first"
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None, "start the server first"
        return int(self._server.server_address[1])

    def start(self) -> ScriptedServer:
        """Begins to listen on a free port of 127.0.0.1."""
        server = _Server(("127.0.0.1", 0), _Handler)
        server.owner = self
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def __enter__(self) -> ScriptedServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _answer(self, raw: bytes, headers: dict[str, str]) -> Reply:
        if self._key is not None and headers.get("authorization") != f"Bearer {self._key}":
            return FAULTS["401"]
        try:
            request = json.loads(raw)
        except ValueError:
            return Reply(status=400, body=_error("no JSON"))
        first = _is_check(request)
        with self._lock:
            if first:
                self.checks.append(request)
            else:
                self.requests.append(request)
                self.bodies.append(raw)
                self.headers.append(headers)
        if request.get("model") not in self.models:
            return fault(
                "404 model", body=_error(f"The model `{request.get('model')}` does not exist.")
            )
        refusal = self._check(request) if self._check else None
        if refusal is not None:
            return refusal
        if first:
            return Reply("ready")
        if self._function is not None:
            answer: Answer | None = self._function(request)
        else:
            with self._lock:
                answer = next(self._replies, None)
        if answer is None:
            return Reply(status=500, body=_error("the script has run out"))
        return Reply(answer) if isinstance(answer, str) else answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    owner: ScriptedServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # Head and body go out in one packet; otherwise delayed acknowledgements add 40 ms a reply.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        owner = self.server.owner
        if self.path.rstrip("/").endswith("/models") and owner._list_models:
            data = [{"id": name, "object": "model"} for name in owner.models]
            self._send(200, json.dumps({"object": "list", "data": data}), {})
        else:
            self._send(404, '{"detail":"Not Found"}', {})

    def do_POST(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self.path.split("?")[0].endswith("/chat/completions"):
            self._send(404, '{"detail":"Not Found"}', {})
            return
        headers = {key.lower(): value for key, value in self.headers.items()}
        reply = owner._answer(raw, headers)
        if owner.latency or reply.delay:
            time.sleep(owner.latency + reply.delay)
        if reply.drop == "before":
            self.close_connection = True
            return
        body = reply.body if reply.body is not None else _completion(reply, raw)
        self._send(reply.status, body, dict(reply.headers), cut=reply.drop == "within")

    def _send(self, status: int, body: str, headers: dict[str, str], *, cut: bool = False) -> None:
        data = body.encode()
        self.send_response(status)
        if "Content-Type" not in headers:
            self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.wfile.flush()
        if cut:
            self.close_connection = True


def _is_check(request: dict[str, Any]) -> bool:
    messages = request.get("messages")
    if not isinstance(messages, list) or len(messages) != 1:
        return False
    from spatialclaw.backends.preflight import check_message

    content = messages[0].get("content")
    texts = [p.get("text") for p in content] if isinstance(content, list) else [content]
    return check_message()[0] in texts


def _completion(reply: Reply, raw: bytes) -> str:
    usage: dict[str, Any] | None = None
    if reply.usage is not None:
        usage = {
            "prompt_tokens": prompt_tokens(raw),
            "completion_tokens": len(reply.text or "") // 4 + 1,
            **reply.usage,
        }
    message = {"role": "assistant", "content": reply.text, **reply.message}
    choices = [{"index": 0, "message": message, "finish_reason": reply.finish}]
    completion: dict[str, Any] = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted-vlm",
        "choices": choices if reply.choices else [],
    }
    if usage is not None:
        completion["usage"] = usage
    return json.dumps(completion)


def prompt_tokens(raw: bytes) -> int:
    """A plausible count: four characters of text a token, 800 tokens a picture."""
    total = 0
    for message in json.loads(raw).get("messages", []):
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        for part in parts:
            total += 800 if part.get("type") == "image_url" else len(part.get("text", "")) // 4
    return total
