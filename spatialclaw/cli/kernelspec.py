"""`spatialclaw kernelspec install|remove`: a Jupyter kernel, confined like the agent's."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from spatialclaw.cli.app import app
from spatialclaw.errors import UsageError

__all__: list[str] = []

kernelspec = typer.Typer(
    no_args_is_help=True, help="A Jupyter kernel with the primitives loaded, confined."
)
app.add_typer(kernelspec, name="kernelspec")

_NAME = typer.Option("--name", help="what Jupyter calls it")
_USER = typer.Option("--user", help="for this user (the default)")
_SYS = typer.Option("--sys-prefix", help="for this environment")
_PREFIX = typer.Option("--prefix", help="below this folder: PREFIX/share/jupyter/kernels")


@kernelspec.command()
def install(
    user: Annotated[bool, _USER] = False,
    sys_prefix: Annotated[bool, _SYS] = False,
    prefix: Annotated[Path | None, _PREFIX] = None,
    name: Annotated[str, _NAME] = "spatialclaw",
    confine: Annotated[str, typer.Option(help="strict, process or off")] = "strict",
    memory: Annotated[int, typer.Option(help="MiB that the kernel may use")] = 8192,
    folder: Annotated[
        list[Path] | None,
        typer.Option("--folder", help="where its media may lie (anywhere by default); repeat it"),
    ] = None,
    provisioner: Annotated[
        bool,
        typer.Option(
            "--provisioner",
            help="kernels share what they load and start sooner; only for a Jupyter that runs in "
            "this very environment",
        ),
    ] = False,
) -> int:
    """Install the kernel, so that Jupyter, VS Code and nbconvert find it."""
    from spatialclaw.kernel.launch.provisioner import kernelspec as make

    if confine not in ("strict", "process", "off"):
        raise UsageError(f"--confine {confine}", hint="strict, process or off.")
    where = _where(user, sys_prefix, prefix)
    config: dict[str, Any] = {"memory_bytes": memory * 1024**2}
    if folder:
        config["folders"] = _folders(folder)[1::2]
    spec = make(confine, **config)
    spec.argv += ["--memory", str(memory), *_folders(folder)]
    if not provisioner:
        spec.metadata = {}
    manager = _manager()
    with tempfile.TemporaryDirectory() as source:
        text = json.dumps(spec.to_dict(), indent=1)
        (Path(source) / "kernel.json").write_text(text, encoding="utf-8")
        try:
            path = manager.install_kernel_spec(source, name, **where)
        except ValueError as error:
            raise UsageError(str(error), hint="--name with letters, digits, - and _") from None
        except OSError as error:
            raise UsageError(
                f"cannot write the kernel: {error}", hint="--user, or another --prefix"
            ) from None
    print(path)
    return 0


@kernelspec.command()
def remove(
    user: Annotated[bool, _USER] = False,
    sys_prefix: Annotated[bool, _SYS] = False,
    prefix: Annotated[Path | None, _PREFIX] = None,
    name: Annotated[str, _NAME] = "spatialclaw",
) -> int:
    """Remove the kernel again."""
    import shutil

    where = _where(user, sys_prefix, prefix)
    path = Path(_manager()._get_destination_dir(name, **where))
    if not (path / "kernel.json").is_file():
        raise UsageError(f"there is no kernel {name!r} at {path}", hint="See `jupyter kernelspec`.")
    spec = json.loads((path / "kernel.json").read_text(encoding="utf-8"))
    if not any(word.startswith("spatialclaw.kernel.") for word in spec.get("argv", [])):
        raise UsageError(f"{path} is not a kernel of spatialclaw", hint="Nothing was removed.")
    shutil.rmtree(path)
    print(path)
    return 0


def _folders(folders: list[Path] | None) -> list[str]:
    absolute = [str(path.expanduser().absolute()) for path in folders or []]
    return [word for path in absolute for word in ("--folder", path)]


def _where(user: bool, sys_prefix: bool, prefix: Path | None) -> dict[str, Any]:
    if user + sys_prefix + (prefix is not None) > 1:
        raise UsageError("choose one of --user, --sys-prefix and --prefix")
    if prefix is not None:
        return {"prefix": str(prefix.expanduser().absolute())}
    return {"prefix": sys.prefix} if sys_prefix else {"user": True}


def _manager() -> Any:
    from jupyter_client.kernelspec import KernelSpecManager

    return KernelSpecManager()
