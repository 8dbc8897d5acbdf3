"""Finds adapters by entry point, loads the one that is asked for, explains a missing extra.

Only the adapter that is used is imported, so that a missing SDK of another one disturbs nobody.
"""

import difflib
from typing import TYPE_CHECKING, Final

from ocft.channels.base import Adapter
from ocft.errors import AdapterNotInstalledError, ChannelError, UnknownAdapterError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP: Final = "ocft.adapters"


def adapter_names() -> list[str]:
    """Return the names of the installed adapters, sorted; none of them is imported."""
    return sorted(_entry_points())


def find_adapter(name: str) -> Adapter:
    """Import an adapter and return it.

    Raises:
        UnknownAdapterError: No installed package brings an adapter of this name.
        AdapterNotInstalledError: A module that the adapter needs is missing.
        ChannelError: The entry point leads to something that is no adapter.
    """
    entry_points = _entry_points()
    if name not in entry_points:
        raise UnknownAdapterError(_unknown(name, sorted(entry_points)))
    entry_point = entry_points[name]
    try:
        adapter = entry_point.load()
    except ImportError as error:
        raise AdapterNotInstalledError(
            f"the adapter {name!r} cannot be imported ({error}): pip install 'ocft[{name}]'"
        ) from error
    except AttributeError as error:
        raise ChannelError(
            f"the entry point of the adapter {name!r} leads nowhere: {entry_point.value} ({error})"
        ) from error
    if not isinstance(adapter, Adapter):
        raise ChannelError(
            f"the entry point of the adapter {name!r}, {entry_point.value}, is no "
            f"ocft.channels.Adapter but {type(adapter).__name__}"
        )
    return adapter


def _entry_points() -> "dict[str, EntryPoint]":
    # Imported here: it takes longer than the rest of this package, and only some commands ask.
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        # The first on the path wins, as it does for modules.
        found.setdefault(entry_point.name, entry_point)
    return found


def _unknown(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"no adapter is called {name!r}.{hint} Installed adapters: {', '.join(names) or 'none'}"
