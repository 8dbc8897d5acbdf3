"""Theory of operation, and the one function that moves a machine from state to state.

A machine is one side of one transfer, without I/O and without a clock:

- **Inputs are methods, time is an argument.** `start(now)`, `receive(message, now)`,
  `on_deadline(now)`, `cancel(reason, now)`, and the answers to its own outputs
  (`provide`, `written`, ...).
- **Outputs are one ordered list**, drained with `outputs()` and carried out in that order. Order
  carries meaning: a chunk is written before its ack leaves.
- **A deadline** says when `on_deadline` is due. Both sides have one at every moment before the
  end, so both always reach an end.
- **A table** of states names every move. A pair (state, input) that is not in it raises
  :exc:`~ocft.errors.UnexpectedMessageError` and changes nothing. Final states list the late
  repeats that they absorb.

The tables are in `wire1.states` (and, with wire 2, `wire2.states`); the pictures in docs/states.md
are drawn from them.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from ocft.errors import UnexpectedMessageError
from ocft.transfers import TransferState

Input = TypeVar("Input", bound=Enum)
Table = Mapping[TransferState, Mapping[Input, TransferState]]


def next_state(table: Table[Input], state: TransferState, happened: Input) -> TransferState:
    """Return the state that follows.

    Args:
        table: The machine's table.
        state: Where it stands.
        happened: What it was told.

    Raises:
        UnexpectedMessageError: The table has no such move.
    """
    try:
        return table[state][happened]
    except KeyError:
        raise UnexpectedMessageError(
            f"{happened.value} makes no sense while the transfer is {state.value}"
        ) from None
