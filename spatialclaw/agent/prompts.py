"""Loads what the model is told: Markdown templates made of named sections.

A line ``<!-- section: name -->`` begins a section. A folder of one's own may hold ``NAME.md``,
which replaces a whole template, or ``NAME.SECTION.md``, which replaces one section of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment as Jinja
from jinja2 import StrictUndefined, Template, TemplateError

from spatialclaw.errors import ConfigError

__all__ = ["Prompts", "estimate_tokens"]

_SECTION = re.compile(r"^<!-- section: ([a-z0-9-]+) -->[ \t]*\n", re.MULTILINE)


def estimate_tokens(text: str) -> int:
    """Tokens of a text, estimated without the model's own tokenizer.

    Measured on prompts, code and printed numbers, the usual tokenizers make 3.3 to 4.3 characters
    a token; 3.6 errs a little on the high side.
    """
    return int(len(text) / 3.6) + 1 if text else 0


class Prompts:
    """The templates of a run.

    Args:
        folder: A folder of one's own, looked into first.
        without: Names of sections to leave out, in whatever template they stand.

    Raises:
        ConfigError: The folder is missing, or no template has a section of such a name.
    """

    def __init__(self, folder: Path | None = None, *, without: Iterable[str] = ()) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"no such folder of prompts: {folder}")
        self._folder = folder
        self._without = frozenset(without)
        self._templates: dict[str, Template] = {}
        unknown = self._without - set(self.sections()) if self._without else frozenset()
        if unknown:
            raise ConfigError(
                f"no section {sorted(unknown)[0]!r} in the prompts",
                hint=f"There are: {', '.join(sorted(self.sections()))}.",
            )

    def render(self, name: str, **values: Any) -> str:
        """A template filled in; a name that the template uses and `values` lacks is an error.

        Raises:
            ConfigError: The template is missing or malformed.
        """
        try:
            if name not in self._templates:
                self._templates[name] = _compiled(self.source(name))
            text = self._templates[name].render(values)
        except TemplateError as error:
            raise ConfigError(f"the prompt {name}.md cannot be used: {error}") from error
        return re.sub(r"\n{3,}", "\n\n", text).strip()

    def source(self, name: str) -> str:
        """The text of a template, sections replaced or left out."""
        parts = _SECTION.split(self._read(f"{name}.md"))
        text = parts[0]
        for section, body in zip(parts[1::2], parts[2::2], strict=True):
            if section in self._without:
                continue
            own = self._own(f"{name}.{section}.md")
            text += own if own is not None else body
        return text

    def sections(self) -> dict[str, str]:
        """Section -> template, over all templates."""
        found: dict[str, str] = {}
        for name in self._names():
            for section in _SECTION.findall(self._read(f"{name}.md")):
                found[section] = name
        return found

    def digest(self) -> str:
        """A hash of everything that the templates say, for the record."""
        digest = hashlib.sha256()
        for name in sorted(self._names()):
            digest.update(name.encode() + b"\0" + self.source(name).encode() + b"\0")
        return digest.hexdigest()[:16]

    def _names(self) -> set[str]:
        names = {
            entry.name.removesuffix(".md")
            for entry in files("spatialclaw.prompts").iterdir()
            if entry.name.endswith(".md")
        }
        if self._folder is not None:
            names |= {p.name.removesuffix(".md") for p in self._folder.glob("*.md")}
        return {name for name in names if "." not in name}

    def _read(self, file: str) -> str:
        own = self._own(file)
        if own is not None:
            return own
        try:
            return _packaged(file)
        except OSError as error:
            raise ConfigError(f"no prompt {file}: {error}") from error

    def _own(self, file: str) -> str | None:
        if self._folder is None or not (self._folder / file).is_file():
            return None
        try:
            return (self._folder / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the prompt {self._folder / file} cannot be read: {error}"
            ) from error


@lru_cache(maxsize=256)
def _compiled(source: str) -> Template:
    """A template of a text; the same text is compiled once in a process."""
    jinja = Jinja(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        autoescape=False,  # noqa: S701 - Markdown for a model, not HTML
    )
    return jinja.from_string(source)


@lru_cache(maxsize=64)
def _packaged(file: str) -> str:
    return files("spatialclaw.prompts").joinpath(file).read_text(encoding="utf-8")
