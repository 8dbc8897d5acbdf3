"""A sender and a receiver on a bad link, killed and restarted at will: both reach their ends.

What a machine has to say is drawn and then waits for its turn, as in the runtime; so does what the
disk has to do. All of that is lost when its side is killed.
"""

from collections.abc import Sequence
from itertools import permutations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ocft.protocol import Patience
from ocft.ranges import Range
from ocft.transfers import TransferState
from ocft.wire import Data, TransferAccept, TransferStop
from tests.protocol.wire2.nodes import Alice, Bob, Sealed, Text

ROOM = 8
MANIFEST = 6
_KINDS = ("work", "sync", "bob", "link", "alice")
_ORDERS = tuple(permutations(_KINDS))
PATIENCE = Patience(decision=1000.0, idle=400.0, total=20_000.0)


class Transfer(RuleBasedStateMachine):
    """One byte space from alice to bob."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 50.0
        self.link: list[Text] = []
        self.history: list[Text] = []
        self.alice: Alice
        self.bob: Bob
        # For the invariants
        self.believed = 0
        self.was_stopped = False
        self.waited = 0.0
        self.frames_left = 0
        self.sent: set[tuple[object, int, bool]] = set()
        self.has_trouble = False
        self.first_bytes: set[int] = set()

    @initialize(
        size=st.sampled_from([0, 1, 10, 30, 60, 100]),
        decides=st.booleans(),
        leaves_out=st.sampled_from([None, (0.0, 0.5), (0.3, 0.6), (0.0, 1.0)]),
    )
    def begin(self, size: int, *, decides: bool, leaves_out: tuple[float, float] | None) -> None:
        content = bytes(1 + number % 255 for number in range(MANIFEST + size))
        not_wanted: tuple[Range, ...] = ()
        if leaves_out is not None:
            first, end = (MANIFEST + int(part * size) for part in leaves_out)
            not_wanted = ((first, end),) if first < end else ()
        self.alice = Alice(content, MANIFEST, room=ROOM, patience=PATIENCE)
        self.bob = Bob(
            self.alice, MANIFEST, decides=decides, not_wanted=not_wanted, patience=PATIENCE
        )
        self.alice.start(self.now)

    # The two sides

    def _leave(self, side: Alice | Bob) -> None:
        if not side.draw(self.now):
            return
        text = side.leave(self.now)
        if text is None:
            return
        self.link.append(text)
        body = text.body
        if isinstance(body, TransferStop):
            self.was_stopped = True
        if isinstance(body, Sealed):
            name = body.key, body.number, text.is_for_bob
            assert name not in self.sent, "a frame number was used twice: R-SEA-1"
            self.sent.add(name)
            if isinstance(body.body, Data):
                self._check_data(body.body)

    def _check_data(self, data: Data) -> None:
        self.frames_left += 1
        places = set(range(data.offset, data.offset + len(data.data)))
        if not self.has_trouble:
            assert places, "nothing was lost, and yet it asks"
            assert not places & self.first_bytes, "nothing was lost, and yet it goes again"
        self.first_bytes |= places
        if self.bob.machine is not None and not self.bob.machine.is_decided:
            assert data.offset + len(data.data) <= MANIFEST or not data.data, "R-ARQ-1"

    def _deliver(self, text: Text) -> None:
        self.history.append(text)
        (self.bob if text.is_for_bob else self.alice).take(text.body, self.now)

    def _step(self, order: Sequence[str] = _KINDS) -> bool:
        """Do the first thing that can be done now; return whether there was one."""
        for kind in order:
            match kind:
                case "work" if self.bob.jobs:
                    self.bob.work(self.now)
                case "sync" if self.bob.unsynced:
                    self.bob.sync(self.now)
                case "bob" if self.bob.draw(self.now):
                    self._leave(self.bob)
                case "link" if self.link:
                    self._deliver(self.link.pop(0))
                case "alice" if self.alice.draw(self.now):
                    self._leave(self.alice)
                case _:
                    continue
            return True
        return False

    # What can happen

    @rule(steps=st.integers(1, 12))
    def all_goes_well_for_a_while(self, steps: int) -> None:
        for _ in range(steps):
            self._step()

    @rule(steps=st.integers(12, 24))
    def all_goes_well_for_longer(self, steps: int) -> None:
        for _ in range(steps):
            self._step()

    @rule(steps=st.integers(2, 12), order=st.permutations(_KINDS))
    def some_are_faster_than_others(self, steps: int, order: Sequence[str]) -> None:
        for _ in range(steps):
            self._step(order)

    @rule(orders=st.lists(st.sampled_from(_ORDERS), min_size=4, max_size=16))
    def now_this_one_is_faster_now_that(self, orders: list[Sequence[str]]) -> None:
        for order in orders:
            self._step(order)

    @rule()
    def alice_says_something(self) -> None:
        self._leave(self.alice)

    @rule()
    def bob_says_something(self) -> None:
        self._leave(self.bob)

    @rule()
    def each_draws_what_it_says_next(self) -> None:
        self.alice.draw(self.now)
        self.bob.draw(self.now)

    @precondition(lambda self: self.link)
    @rule()
    def the_oldest_text_arrives(self) -> None:
        self._deliver(self.link.pop(0))

    @precondition(lambda self: len(self.link) > 1)
    @rule(data=st.data())
    def a_text_overtakes(self, data: st.DataObject) -> None:
        self.has_trouble = True
        self._deliver(self.link.pop(data.draw(st.integers(1, len(self.link) - 1))))

    @precondition(lambda self: self.link)
    @rule(data=st.data())
    def a_text_arrives_and_will_again(self, data: st.DataObject) -> None:
        self.has_trouble = True
        self._deliver(self.link[data.draw(st.integers(0, len(self.link) - 1))])

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def an_old_text_arrives_again(self, data: st.DataObject) -> None:
        """Control messages too: who was restarted does not know which it has seen."""
        self.has_trouble = True
        text = data.draw(st.sampled_from(self.history))
        if not isinstance(text.body, TransferStop):
            self._deliver(text)

    @precondition(lambda self: self.link)
    @rule(data=st.data())
    def a_text_is_lost(self, data: st.DataObject) -> None:
        self.has_trouble = True
        self.link.pop(data.draw(st.integers(0, len(self.link) - 1)))

    @precondition(lambda self: self.bob.unsynced)
    @rule()
    def the_disk_syncs(self) -> None:
        self.bob.sync(self.now)

    @precondition(lambda self: self.bob.jobs)
    @rule()
    def the_disk_does_a_job(self) -> None:
        self.bob.work(self.now)

    @precondition(lambda self: self.bob.is_undecided)
    @rule(number=st.integers(0, 19))
    def the_owner_decides(self, number: int) -> None:
        is_yes = number != 7
        self.was_stopped = self.was_stopped or not is_yes
        self.bob.decide(self.now, is_yes=is_yes)

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 20.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.has_trouble = self.has_trouble or seconds > 0.3
        self._pass(seconds)

    @rule()
    def something_becomes_due(self) -> None:
        deadline = self._next_deadline()
        if deadline is not None:
            self.has_trouble = self.has_trouble or deadline - self.now > 0.9
            self._pass(max(0.0, deadline - self.now))

    @rule()
    def alice_is_killed(self) -> None:
        self.has_trouble = True
        self.alice.kill(self.now)

    @rule()
    def bob_is_killed(self) -> None:
        self.has_trouble = True
        self.bob.kill(self.now)

    @precondition(lambda self: self.bob.unsynced)
    @rule()
    def bob_is_killed_when_it_is_recorded_and_nobody_knows(self) -> None:
        self.has_trouble = True
        self.bob.sync(self.now, tells=False)
        self.bob.kill(self.now)

    @precondition(lambda self: self.bob.state is TransferState.COMPLETING and self.bob.jobs)
    @rule()
    def bob_is_killed_when_the_files_have_their_names(self) -> None:
        self.has_trouble = True
        self.bob.publish()
        self.bob.kill(self.now)

    @precondition(lambda self: not self.alice.machine.state.is_final)
    @rule(number=st.integers(0, 99))
    def alice_cancels(self, number: int) -> None:
        if number == 37:
            self.was_stopped = True
            self.alice.machine.cancel("enough", self.now)
            self.alice.settle()

    @precondition(
        lambda self: (
            self.bob.machine is not None
            and not self.bob.machine.state.is_final
            and self.bob.machine.state is not TransferState.COMPLETING
        )
    )
    @rule(number=st.integers(0, 99))
    def bob_cancels(self, number: int) -> None:
        if number == 37:
            self.was_stopped = True
            assert self.bob.machine is not None
            self.bob.machine.cancel("enough", self.now)
            self.bob.settle(self.now)

    def _next_deadline(self) -> float | None:
        deadline = min(self.alice.deadline, self.bob.deadline)
        return None if deadline == float("inf") else deadline

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds
        self.alice.wake(self.now)
        self.bob.wake(self.now)

    # What always holds

    def _has_begun(self) -> bool:
        return hasattr(self, "bob")

    @invariant()
    def the_sender_believes_only_what_is_stored(self) -> None:
        if not self._has_begun():
            return
        window = self.alice.machine._window
        if window is None:
            return
        for first, end in window.stored.pairs():
            assert self.bob.durable.covers(first, end) or self.bob.is_published

    @invariant()
    def success_is_success_on_both_sides(self) -> None:
        if not self._has_begun():
            return
        if self.alice.machine.state is TransferState.COMPLETED:
            assert self.bob.is_published
        if self.bob.state is TransferState.COMPLETED:
            assert self.bob.is_published

    @invariant()
    def who_has_not_ended_waits_for_something(self) -> None:
        if not self._has_begun():
            return
        for machine in (self.alice.machine, self.bob.machine):
            if machine is not None:
                assert (machine.deadline is None) == machine.state.is_final

    @invariant()
    def what_an_honest_peer_says_is_never_unexpected(self) -> None:
        if self._has_begun():
            assert self.alice.unexpected == self.bob.unexpected == 0

    @invariant()
    def every_end_is_told_once(self) -> None:
        if not self._has_begun():
            return
        ends = {"transfer-completed", "transfer-failed", "transfer-cancelled", "transfer-rejected"}
        for side in (self.alice, self.bob):
            assert sum(event.name in ends for event in side.events) <= 1

    def teardown(self) -> None:
        """The link heals, nobody is killed any more: both reach an end, and soon."""
        if not self._has_begun():
            return
        until = self.now + PATIENCE.decision + PATIENCE.idle
        frames_before = self.frames_left
        steps = 0
        while self.now < until:
            steps += 1
            assert steps < 2000, "the two of them never stop talking"
            if self.bob.is_undecided and self.bob.is_manifest_known:
                self.bob.decide(self.now)
            if self._step():
                continue
            deadline = self._next_deadline()
            if deadline is None:
                break
            self.now = max(self.now, deadline)
            self.alice.wake(self.now)
            self.bob.wake(self.now)
            self.the_sender_believes_only_what_is_stored()
            self.success_is_success_on_both_sides()
        assert self.alice.machine.state.is_final
        assert self.bob.machine is None or self.bob.machine.state.is_final
        if not self.was_stopped and self.waited < PATIENCE.idle:
            assert self.alice.machine.state is TransferState.COMPLETED, self.alice.machine.error
            assert self.bob.state is TransferState.COMPLETED
        whole = -(-len(self.alice.content) // ROOM)
        assert self.frames_left - frames_before <= 2 * whole + 20
        accepts = {text.body for text in self.history if isinstance(text.body, TransferAccept)}
        assert len({accept.epoch for accept in accepts}) <= self.alice.machine.epoch


def test_two_sides_on_a_bad_link_reach_the_same_end() -> None:
    run_state_machine_as_test(
        Transfer,
        settings=settings(max_examples=150, stateful_step_count=50),
    )
