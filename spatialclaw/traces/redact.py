"""Keeps secrets out of everything that is written down."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Redactor"]

_SECRET_NAME = re.compile(r"(key|token|secret|passw|credential|auth|cookie)", re.IGNORECASE)
_NOT_SECRET = re.compile(r"(tokenizers?_parallelism|max_tokens|sshd?_auth_sock)$", re.IGNORECASE)
_SHAPES = re.compile(
    r"(sk-[A-Za-z0-9_\-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_\-]{30,}|(?<=[Bb]earer )[A-Za-z0-9._\-]{12,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@))"
)
_SHORTEST = 4
_SHORTEST_SHAPE = len("://a:b@")
_MASK = "[redacted]"


class Redactor:
    """Replaces secrets in strings and in nested JSON values.

    Secrets are the values given, the values of environment variables whose names say so, and
    anything that has the shape of a well-known key.

    Args:
        secrets: Values to hide, such as the API key in use.
        environ: Where to look for further secrets; the process's environment by default.
    """

    def __init__(
        self, secrets: Iterable[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        source = os.environ if environ is None else environ
        found = {value for value in secrets if value and len(value) >= 4}
        found |= {
            value
            for name, value in source.items()
            if _SECRET_NAME.search(name) and not _NOT_SECRET.search(name) and _is_secret(value)
        }
        # Longest first: a secret may contain another.
        self._known = sorted(found, key=len, reverse=True)
        self._escaped = [json.dumps(secret, ensure_ascii=False)[1:-1] for secret in self._known]
        self._clean: set[str] = set()

    def text(self, text: str) -> str:
        """The text with every secret replaced."""
        if len(text) < _SHORTEST or text in self._clean:
            return text
        redacted = text
        for secret in self._known:
            if secret in redacted:
                redacted = redacted.replace(secret, _MASK)
        if len(redacted) >= _SHORTEST_SHAPE:
            redacted = _SHAPES.sub(_MASK, redacted)
        if len(text) <= 40 and redacted == text and len(self._clean) < 4096:
            # Names of fields, kinds of events and the like come again and again.
            self._clean.add(text)
        return redacted

    def dump(self, value: Any) -> tuple[Any, str]:
        """A JSON value without secrets, and its text.

        Most values hold none, which one search of the text shows; only then every string of it is
        looked at.
        """
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if self._suspect(text):
            value = self.value(value)
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return value, text

    def _suspect(self, text: str) -> bool:
        """Whether JSON text may hold a secret; what JSON escapes never hides one."""
        return any(secret in text for secret in self._escaped) or bool(_SHAPES.search(text))

    def value(self, value: Any) -> Any:
        """The JSON value with every secret in its strings (keys too) replaced."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if value is None or kind is int or kind is float or kind is bool:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _is_secret(value: str) -> bool:
    # Short values, paths and plain words are settings rather than secrets.
    return len(value) >= 8 and not value.startswith(("/", "~")) and not value.isalpha()
