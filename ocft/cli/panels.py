"""How `ocft --help` lists the commands: by what they are about, each in one line."""

from typing import Any, Final

PANELS: Final = {
    "Transfers": (
        *("send", "listen", "transfers", "files", "accept", "reject", "resume", "cancel"),
        "post",
    ),
    "Links": ("share", "receive", "serve"),
    "Trust": (
        *("pair", "peers", "requests", "approve", "deny"),
        *("export", "import", "show-secret", "rotate-secret", "verify"),
    ),
    "Node": (
        *("init", "status", "doctor", "demo"),
        *("set-download", "set-max-size", "set-direct", "set-ttl"),
    ),
}
"""The commands that are listed, by what they are about."""


def older(newer: str) -> dict[str, Any]:
    """Return how a command is added that has another name by now: it works, and is not listed.

    Args:
        newer: The other name.
    """
    return {"hidden": True, "help": f"Older spelling of `ocft {newer}`."}


def write_panels(commands: dict[str, Any], formatter: Any) -> None:
    """Write the list of commands.

    Args:
        commands: All commands by their names.
        formatter: What the parser writes its help with.
    """
    width = max(len(name) for names in PANELS.values() for name in names)
    for panel, names in PANELS.items():
        rows = [
            (
                name.ljust(width),  # one column for all panels
                commands[name].get_short_help_str(formatter.width - 6 - width),
            )
            for name in names
        ]
        with formatter.section(panel):
            formatter.write_dl(rows)
