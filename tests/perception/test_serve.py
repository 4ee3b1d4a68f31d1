"""`spatialclaw serve` and its client: what another machine gets, and what it is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import numpy as np
import pytest
from service_home import Home, picture, query

from spatialclaw.cli.app import load_commands, run_program
from spatialclaw.errors import PerceptionError
from spatialclaw.perception.client import LocalClient, Shared
from spatialclaw.perception.packed import unpack
from spatialclaw.perception.remote import Directory, RemoteClient
from spatialclaw.perception.wire import picture_hash
from spatialclaw.primitives.errors import NothingFound, TimedOut, Unavailable

httpx2 = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

TOKEN = "a token of more than sixteen characters"


@contextmanager
def server(*options: str, token: str | None = TOKEN) -> Iterator[tuple[str, str]]:
    """Address and token of a running server."""
    environ = {**os.environ, **({"SPATIALCLAW_SERVE_TOKEN": token} if token else {})}
    run = [sys.executable, "-m", "spatialclaw", "serve", "--port", "0", *options]
    process = subprocess.Popen(run, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip().partition("=")[2]
        said = token or process.stdout.readline().strip().partition("=")[2]
        yield url, said
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
        process.stdout.close()


@pytest.fixture(scope="module")
def served(_one_home: Home, _in_home: None) -> Iterator[str]:
    with server("--max-body", "1") as (url, _):
        yield url


def post(url: str, path: str, body: bytes, token: str = TOKEN) -> httpx2.Response:
    return httpx2.post(url + path, content=body, headers={"authorization": f"Bearer {token}"})


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_a_call_elsewhere_gives_the_same_and_sends_a_picture_once(
    home: Home, served: str, shared: list[Shared]
) -> None:
    client = RemoteClient([served], TOKEN)
    first = await client.call(query("test_edges", shared[:2], threshold=100))
    again = await client.call(query("test_edges", shared[:2], threshold=100))
    result = first.unpack()
    assert result.meta["sum"] == picture(0).sum(dtype=int)
    assert result.arrays["masks"].shape == (1, 48, 64)
    assert (first.info["cached"], again.info["cached"]) == (False, True)
    assert first.info["model"] == "test-edges"
    with pytest.raises(NothingFound, match="no unicorn"):
        await client.call(query("test_edges", shared[:1], text="unicorn"))
    with pytest.raises(Unavailable, match="no model for test_nothing"):
        await client.call(query("test_nothing", shared[:1]))
    with pytest.raises(TimedOut):
        await client.call(query("test_slow", shared[:1], timeout=0.2, seconds=2))
    await client.aclose()


async def test_another_server_answers_where_one_does_not(
    home: Home, served: str, shared: list[Shared]
) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    client = RemoteClient([dead, served], TOKEN)
    assert (await client.call(query("test_edges", shared[:1]))).info["model"] == "test-edges"
    await client.aclose()
    assert Directory([dead, served], TOKEN).offer("test_edges") == ("test-edges", "")
    client = RemoteClient([dead, served], "wrong")
    with pytest.raises(PerceptionError) as failure:
        await client.call(query("test_edges", shared[:1]))
    assert failure.value.exit_status == 3
    assert dead in failure.value.message
    assert "does not take the token" in failure.value.message
    assert "\n" not in str(failure.value)
    await client.aclose()


def test_nothing_without_the_token(home: Home, served: str) -> None:
    for path in ("/v1/models", "/v1/calls", "/v1/pictures"):
        for headers in (
            {},
            {"authorization": "Bearer x"},
            {"authorization": f"Bearer {TOKEN}x"},
            {"authorization": f"Basic {TOKEN}"},
            {"authorization": "Bearer tökén".encode()},
        ):
            method = "GET" if path == "/v1/models" else "POST"
            answer = httpx2.request(method, served + path, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["message"] == "the token is missing or wrong"
    assert httpx2.get(f"{served}/healthz").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xc1", 400),
        (os.urandom(1000), 400),
        (b"\x91" * 100_000, 400),
        (msgpack.packb([1, 2]), 422),
        (msgpack.packb({"run": "../..", "method": "x", "pictures": []}), 422),
        (msgpack.packb({"run": "r", "method": "x", "pictures": [{"sha256": "zz"}]}), 422),
        (b"x" * 1_100_000, 413),
    ],
)
def test_garbage_is_refused_and_the_server_goes_on(
    home: Home, served: str, body: bytes, status: int
) -> None:
    for path in ("/v1/calls", "/v1/pictures"):
        answer = post(served, path, body)
        assert answer.status_code in (status, 400 if status == 422 else status)
        assert answer.json()["error"]["message"]
    assert httpx2.get(f"{served}/healthz").status_code == 200


def test_the_server_names_pictures_itself_and_asks_for_those_it_has_not(
    home: Home, served: str
) -> None:
    image = picture(3)
    said = {"run": "r1", "height": 48, "width": 64, "data": image.tobytes()}
    name = post(served, "/v1/pictures", msgpack.packb(said)).json()["sha256"]
    assert name == picture_hash(image)
    wrong = post(served, "/v1/pictures", msgpack.packb({**said, "height": 49}))
    assert wrong.status_code == 422
    call = {
        "run": "r1",
        "method": "test_edges",
        "pictures": [{"sha256": name, "height": 48, "width": 64}],
    }
    answer = post(served, "/v1/calls", msgpack.packb(call))
    assert answer.status_code == 200
    assert json.loads(answer.headers["x-spatialclaw-info"])["model"] == "test-edges"
    found = unpack(answer.content)
    assert found.meta["sum"] == image.sum(dtype=int)
    elsewhere = post(served, "/v1/calls", msgpack.packb({**call, "run": "r2"}))
    assert (elsewhere.status_code, elsewhere.json()) == (409, {"missing": [name]})


def test_the_document_describes_what_is_served(home: Home, served: str) -> None:
    said = httpx2.get(f"{served}/openapi.json").json()
    assert said["openapi"].startswith("3.1")
    assert sorted(said["paths"]) == ["/healthz", "/v1/calls", "/v1/models", "/v1/pictures"]
    references = json.dumps(said).split('"$ref": "#/components/schemas/')[1:]
    names = {reference.partition('"')[0] for reference in references}
    assert names <= set(said["components"]["schemas"])
    assert "sha256" in said["components"]["schemas"]["PictureReference"]["properties"]


async def test_a_token_is_made_and_printed_and_tls_is_spoken(
    home: Home, shared: list[Shared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(  # noqa: ASYNC221
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    options = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with server(*options, token=None) as (url, token):
        assert url.startswith("https://")
        assert len(token) > 30
        client = RemoteClient([url], token)
        with pytest.raises(PerceptionError, match="no perception server answers"):
            await client.call(query("test_edges", shared[:1]))  # nobody vouches for it
        await client.aclose()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert ssl.get_default_verify_paths().openssl_cafile_env == "SSL_CERT_FILE"
        client = RemoteClient([url], token)
        reply = await client.call(query("test_edges", shared[:1]))
        assert reply.info["model"] == "test-edges"
        await client.aclose()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-cert", "nowhere.pem"], "belong together"),
        (["--tls-cert", "nowhere.pem", "--tls-key", "nowhere.pem"], "there is no file"),
    ],
)
def test_bad_options_are_told_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load_commands()
    assert run_program(["serve", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_short_token_and_a_taken_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_commands()
    monkeypatch.setenv("SPATIALCLAW_SERVE_TOKEN", "short")
    assert run_program(["serve"]) == 2
    monkeypatch.setenv("SPATIALCLAW_SERVE_TOKEN", TOKEN)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run_program(["serve", "--port", str(taken.getsockname()[1])]) == 3
    assert "cannot be listened on" in capsys.readouterr().err


async def test_the_service_of_this_machine_ends_when_told(
    home: Home, shared: list[Shared], capsys: pytest.CaptureFixture[str]
) -> None:
    load_commands()
    client = LocalClient()
    await client.call(query("test_edges", shared[:1]))
    await client.aclose()
    for line in ("the perception service was ended\n", "no perception service runs\n"):
        assert run_program(["serve", "--stop"]) == 0
        assert capsys.readouterr().out == line


def test_a_question_whose_perception_server_is_away_ends_with_status_3(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    load_commands()
    url = f"http://127.0.0.1:{free_port()}"
    Image.fromarray(np.asarray(picture(1))).save(tmp_path / "photo.png")
    monkeypatch.setenv("SPATIALCLAW_PERCEPTION_URL", url)
    run = ["ask", str(tmp_path / "photo.png"), "How many mugs?", "--backend", "builtin"]
    assert run_program([*run, "--runs-dir", str(tmp_path / "runs")]) == 3
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert url in said
    assert "no perception server answers" in said
