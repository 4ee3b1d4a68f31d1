"""The environment of a kernel: an allow-list, so that no key or token is in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

__all__ = ["ALLOWED", "FIXED", "SECRET", "build"]

ALLOWED = re.compile(r"LANG|LC_[A-Z]+|TZ|PATH|NUMBA_[A-Z_]+|CUDA_VISIBLE_DEVICES")
"""Names taken over from the host's environment, as whole names."""

SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|SESSION|PRIVATE", re.IGNORECASE)
"""What a name contains that is never passed on, whoever asks."""

FIXED = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
"""Set in every kernel. One thread for each BLAS: kernels share few cores, and forking needs it."""


def build(
    extra: Mapping[str, str], *, work: str, host: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a kernel.

    Args:
        extra: Further variables that the caller wants.
        work: The kernel's folder; HOME, TMPDIR and the folders of IPython and matplotlib are in it.
        host: The host's environment; `os.environ` when None.

    Raises:
        ValueError: A name in `extra` looks like a secret's.
    """
    host = os.environ if host is None else host
    environment = {name: value for name, value in host.items() if ALLOWED.fullmatch(name)}
    environment.setdefault("LANG", "C.UTF-8")
    environment.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    environment.update(FIXED)
    for name in extra:
        if SECRET.search(name):
            raise ValueError(
                f"the variable {name} looks like a secret and is not given to a kernel"
            )
    environment.update(extra)
    environment.update(
        HOME=work,
        TMPDIR=f"{work}/tmp",  # noqa: S108
        IPYTHONDIR=f"{work}/.ipython",
        MPLCONFIGDIR=f"{work}/.matplotlib",
        JUPYTER_RUNTIME_DIR=work,
        USER="kernel",
        LOGNAME="kernel",
    )
    return environment
