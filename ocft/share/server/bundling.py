"""Joins the page's modules, so that a browser asks for two scripts and not for thirty.

Each module keeps a scope of its own, and the lines in it stay as they are. What a bundle cannot
say as modules do (circles, exports that change, `export default`) is refused, not guessed.
"""

import re
from collections.abc import Mapping
from typing import Final

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "\./([a-z0-9_]+\.js)";$', re.MULTILINE)
_EXPORT: Final = re.compile(
    r"^export ((?:async )?function\*? ?|class |const )([A-Za-z_$][\w$]*)", re.MULTILINE
)
_LEFT_OVER: Final = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundle(modules: Mapping[str, str], entry: str) -> str:
    """Return one module that does what another one and all that it imports do.

    Args:
        modules: The text of each, by its name.
        entry: The one to begin with.

    Raises:
        ValueError: A module is not there, or cannot be joined.
    """
    parts: dict[str, str] = {}
    _add(modules, entry, parts, ())
    return "\n".join(parts.values())


def _add(
    modules: Mapping[str, str], name: str, parts: dict[str, str], above: tuple[str, ...]
) -> None:
    """Add a module, after all that it imports: each is run once, as a browser runs them."""
    if name in above:
        raise ValueError(f"{name} imports itself: {' -> '.join(above)}")
    if name in parts:
        return
    if name not in modules:
        raise ValueError(f"there is no {name}")
    text = modules[name]
    for found in _IMPORT.finditer(text):
        _add(modules, found[2], parts, (*above, name))
    exported = [found[2] for found in _EXPORT.finditer(text)]
    body = _EXPORT.sub(r"\1\2", _IMPORT.sub(_taken, text))
    if odd := _LEFT_OVER.search(body):
        raise ValueError(f"{name} cannot be joined: {odd[0]}")
    parts[name] = (
        f"const {_scope(name)} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"
    )


def _taken(found: re.Match[str]) -> str:
    """Return what an import is within a bundle, on as many lines as it was."""
    return f"const {{{found[1].replace(' as ', ': ')}}} = {_scope(found[2])};"


def _scope(name: str) -> str:
    return f"module_{name.removesuffix('.js')}"
