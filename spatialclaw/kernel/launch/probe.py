"""Which layers of confinement hold on this machine, found out by trying them."""

from __future__ import annotations

__all__ = ["REMEDIES"]

REMEDIES = {
    "namespaces": (
        "let this user make user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
        "user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0)"
    ),
    "landlock": "boot a Linux 5.13 or newer with lsm=landlock",
    "seccomp": "use a Linux with CONFIG_SECCOMP_FILTER on x86-64 or arm64",
    "limits": "raise the hard limits of this user (ulimit -H)",
    "environment": "nothing is needed",
}
