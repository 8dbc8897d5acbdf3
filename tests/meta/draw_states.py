"""Draws docs/states.md from the state tables: `python -m tests.meta.draw_states`."""

from pathlib import Path
from typing import Any

from ocft.protocol.states import Table
from ocft.protocol.wire1 import states as wire1
from ocft.protocol.wire2 import states as wire2

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
_HEAD = """# The states of a transfer

Drawn from the tables in `ocft/protocol/wire1/states.py` and `ocft/protocol/wire2/states.py` by
`python -m tests.meta.draw_states`; a test compares. Moves that stay in a state (repeats and late
messages) are left out.
"""


def page() -> str:
    """Return the page as the tables have it."""
    parts = [_HEAD]
    for name, states in (("Wire 1.0", wire1), ("Wire 2", wire2)):
        parts += [
            _diagram(f"{name}, sender", states.SENDER),
            _diagram(f"{name}, receiver", states.RECEIVER),
        ]
    return "\n".join(parts)


def _diagram(title: str, table: Table[Any]) -> str:
    lines = [f"## {title}", "", "```mermaid", "stateDiagram-v2", "    [*] --> pending"]
    for state, moves in table.items():
        targets: dict[str, list[str]] = {}
        for happened, target in moves.items():
            if target is not state:
                targets.setdefault(target.value, []).append(happened.value)
        lines += [f"    {state.value} --> {to}: {', '.join(why)}" for to, why in targets.items()]
        if not targets:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join([*lines, "```", ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
