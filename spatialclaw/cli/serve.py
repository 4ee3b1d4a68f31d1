"""`spatialclaw serve`: perception for other machines."""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from spatialclaw.cli.app import app, complain
from spatialclaw.errors import PerceptionError, UsageError
from spatialclaw.perception import starting

__all__: list[str] = []

TOKEN_VARIABLE = "SPATIALCLAW_SERVE_TOKEN"  # noqa: S105
_LOCAL = ("127.0.0.1", "localhost", "::1")


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="address to listen on; 0.0.0.0 for all of this machine's")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port; 0 takes a free one")] = 8766,
    tls_cert: Annotated[
        Path | None, typer.Option(help="certificate (PEM), with --tls-key", dir_okay=False)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="its key (PEM)", dir_okay=False)] = None,
    max_body: Annotated[
        int, typer.Option(min=1, max=1024, help="megabytes that a request may have")
    ] = 64,
    stop: Annotated[
        bool,
        typer.Option("--stop", help="end the perception service of this machine, and only that"),
    ] = False,
) -> int:
    """Serve the perception models of this machine to other machines.

    Clients set SPATIALCLAW_PERCEPTION_URL to the address and SPATIALCLAW_PERCEPTION_TOKEN to the
    token: that of SPATIALCLAW_SERVE_TOKEN, or one that is made and printed now. Stops at Ctrl-C.
    """
    if stop:
        ended = starting.stop()
        print("the perception service was ended" if ended else "no perception service runs")
        return 0
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("starlette") is None:
        raise UsageError(
            "serve needs starlette and uvicorn", hint='pip install "spatialclaw[serve]"'
        )
    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert and --tls-key belong together")
    for file in (tls_cert, tls_key):
        if file is not None and not file.is_file():
            raise UsageError(f"there is no file {file}")
    given = os.environ.get(TOKEN_VARIABLE, "").strip()
    if given and len(given) < 16:
        raise UsageError(f"{TOKEN_VARIABLE} has {len(given)} characters", hint="Give it 16 or more")
    token = given or secrets.token_urlsafe(32)
    if host not in _LOCAL and tls_cert is None:
        complain("without --tls-cert and --tls-key the pictures and the token travel in the clear")
    return _run(host, port, token, given != "", tls_cert, tls_key, max_body * 1024**2)


def _run(
    host: str,
    port: int,
    token: str,
    known: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    max_body: int,
) -> int:
    import socket
    import ssl

    import uvicorn

    from spatialclaw.perception.http import make_app

    config = uvicorn.Config(
        make_app(token, max_body=max_body),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        server_header=False,
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"{tls_cert} and {tls_key} are no certificate and key ({error})"
        ) from error
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise PerceptionError(
            f"{host}:{port} cannot be listened on ({error.strerror})", hint="Choose another --port"
        ) from error
    scheme = "http" if tls_cert is None else "https"
    named = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104
    shown = f"[{named}]" if ":" in named else named
    print(f"SPATIALCLAW_PERCEPTION_URL={scheme}://{shown}:{sock.getsockname()[1]}")
    if not known:
        print(f"SPATIALCLAW_PERCEPTION_TOKEN={token}")
    sys.stdout.flush()
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[sock])
    except KeyboardInterrupt:
        return 130
    finally:
        sock.close()
    return 0
