"""The program `spatialclaw`: its commands, and how it ends.

Exit status: 0 answered; 1 no answer within budget; 2 bad usage or input; 3 backend or perception
unreachable; 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

import typer

from spatialclaw._version import __version__
from spatialclaw.errors import SpatialclawError

__all__ = ["Interrupted", "app", "complain", "load_commands", "main", "run_program"]

# Some releases of typer carry their own copy of click: take the classes from typer itself.
_CLICK = {kind.__name__: kind for kind in typer.BadParameter.__mro__}
_CLICK_ERROR: type[Exception] = _CLICK["ClickException"]
_USAGE_ERROR: type[Exception] = _CLICK["UsageError"]

_INTERRUPTED = 130

# One module a command, or a family of commands, in the order of the help.
COMMANDS = (
    "ask",
    "explore",
    "eval",
    "compare",
    "view",
    "replay",
    "export",
    "kernelspec",
    "mcp",
    "benchmarks",
    "models",
    "cache",
    "serve",
    "doctor",
)


class Interrupted(SpatialclawError):
    """A command was interrupted and says more about it than the usual line."""

    exit_status = _INTERRUPTED


app = typer.Typer(
    name="spatialclaw",
    help="Measured answers to questions about space, from pictures, videos and captures.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Measured answers to questions about space, from pictures, videos and captures."""


def load_commands() -> None:
    """Imports the commands, each of which registers itself."""
    for name in COMMANDS:
        importlib.import_module(f"spatialclaw.cli.{name}")


def main(arguments: list[str] | None = None) -> None:
    """Runs the program and ends the process with its exit status."""
    load_commands()
    sys.exit(run_program(sys.argv[1:] if arguments is None else arguments))


def run_program(arguments: list[str]) -> int:
    """Runs the program and gives its exit status."""
    try:
        status = app(args=arguments, standalone_mode=False)
    except SpatialclawError as error:
        complain(str(error))
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except typer.Exit as error:
        return int(error.exit_code)
    except _CLICK_ERROR as error:
        return _complain_of_usage(error)
    except BrokenPipeError:
        # The reader of our output went away; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the last stop: a fault of ours, told in one line
        return _fault(error)
    if status == _INTERRUPTED:  # typer gives an interrupt as this status
        complain("interrupted; what was recorded is kept")
    return status if isinstance(status, int) else 0


def _complain_of_usage(error: BaseException) -> int:
    message = str(getattr(error, "format_message", error.__str__)())
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message, file=sys.stderr)
        return 2
    context = getattr(error, "ctx", None)
    hint = ""
    if isinstance(error, _USAGE_ERROR):
        command = context.command_path if context else "spatialclaw"
        hint = f" `{command} --help` lists what there is."
    complain(f"{message.rstrip('.')}.{hint}")
    return 2


def _fault(error: Exception) -> int:
    if os.environ.get("SPATIALCLAW_DEBUG"):
        traceback.print_exc()
        return 1
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    first = str(error).splitlines()[0] if str(error) else ""
    complain(
        f"a fault in spatialclaw itself: {type(error).__name__}: {first}{where}. "
        "Please report it; SPATIALCLAW_DEBUG=1 prints the details."
    )
    return 1


def complain(message: str) -> None:
    """Prints one line on stderr."""
    print(f"spatialclaw: {' '.join(message.split())}", file=sys.stderr)
