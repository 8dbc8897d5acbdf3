"""A sender and a receiver on a bad link, killed and restarted at will: both reach their ends.

What a machine asks for waits in a list, as in the runtime: pieces are written as soon as it asks,
everything else is carried out one at a time, and is lost when its side is killed. What outlives a
kill is what the journal holds.
"""

from collections import deque
from dataclasses import dataclass, field

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

from ocft.errors import UnexpectedMessageError
from ocft.ids import NodeId
from ocft.protocol import (
    Output,
    Patience,
    PublishFile,
    ReadChunk,
    Receiver,
    Send,
    Sender,
    WriteChunk,
)
from ocft.ranges import RangeSet
from ocft.transfers import TransferState
from ocft.wire import FINAL_ACK, Ack, Chunk, Complete, Message, Offer, Payload
from tests.protocol.wire1.driving import ALICE, BOB, ID, chunk_of, message_of, offer_of

CHUNK = 4
PATIENCE = Patience(decision=1000.0, idle=400.0, total=20_000.0)


@dataclass
class Side:
    """One of the two, and what it still has to do."""

    node_id: NodeId
    todo: deque[Output] = field(default_factory=deque)


class Transfer(RuleBasedStateMachine):
    """One file from alice to bob."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 50.0
        self.timestamp = 0
        self.content = b""
        self.link: list[Message] = []
        self.history: list[Message] = []
        self.alice = Side(ALICE)
        self.bob = Side(BOB)
        self.sender: Sender
        self.receiver: Receiver | None = None
        # What outlives a kill. The sender's: what its machine says at every moment.
        self.stored: dict[int, bytes] = {}
        self.receiver_state: TransferState | None = None
        self.owes_final_ack = False
        self.published = 0
        # For the invariants.
        self.progress = 0
        self.acknowledged = 0
        self.had_power_cut = False
        self.was_cancelled = False
        self.waited = 0.0
        self.chunks_left = 0

    @initialize(size=st.sampled_from([0, 1, 4, 11, 20, 29, 40]))
    def begin(self, size: int) -> None:
        self.content = bytes(range(size))
        self.sender = self._new_sender(None, is_resumed=False)

    # The two sides

    @property
    def _total(self) -> int:
        return -(-len(self.content) // CHUNK)

    def _new_sender(self, before: Sender | None, *, is_resumed: bool) -> Sender:
        is_over = before is not None and before.state.is_final
        sender = Sender(
            transfer_id=ID,
            peer_id=BOB,
            offer=offer_of(self.content, CHUNK),
            path="/srv/x",
            patience=PATIENCE,
            acknowledged=before.acknowledged if before else 0,
            keeps_chunks=before.keeps_chunks if before else None,
            accepted_at=before.accepted_at if before else None,
            state=before.state if before and is_over else TransferState.PENDING,
        )
        if is_over and before is not None:
            sender.error = before.error
        else:
            sender.start(self.now, is_resumed=is_resumed)
        self.sender = sender
        self._settle(self.alice)
        return sender

    def _new_receiver(self, state: TransferState) -> Receiver:
        has_all = state is TransferState.COMPLETED
        indexes = range(self._total) if has_all else self.stored
        return Receiver(
            transfer_id=ID,
            peer_id=ALICE,
            offer=offer_of(self.content, CHUNK),
            sender_repeats=True,
            patience=PATIENCE,
            state=state,
            stored=RangeSet((index, index + 1) for index in indexes),
        )

    def _machine(self, side: Side) -> Sender | Receiver | None:
        return self.sender if side is self.alice else self.receiver

    def _settle(self, side: Side) -> None:
        """Make durable what must be, and keep the rest for later."""
        machine = self._machine(side)
        while machine is not None and (outputs := machine.outputs()):
            for output in outputs:
                if isinstance(output, WriteChunk):
                    assert output.index not in self.stored
                    self.stored[output.index] = output.data
                    assert self.receiver is not None
                    self.receiver.written(output.index, self.now)
                elif isinstance(output, Send | ReadChunk | PublishFile):
                    self._check(output)
                    side.todo.append(output)
        if side is self.bob and self.receiver is not None:
            is_new = self.receiver_state is not self.receiver.state
            self.receiver_state = self.receiver.state
            if is_new and self.receiver_state is TransferState.COMPLETED:
                self.owes_final_ack = True

    def _check(self, output: Output) -> None:
        """Nothing is promised that is not true."""
        match output:
            case Send(Ack(index=index, received=True)) if index == FINAL_ACK:
                assert self.published == 1
            case Send(Ack(index=index, received=True)):
                assert set(range(min(index + 1, self._total))) <= self._durable
            case Send(Chunk() as chunk):
                assert chunk == chunk_of(chunk.index, self.content, CHUNK)
                assert chunk.index < self._total
            case Send(Complete()):
                assert self.had_power_cut or set(range(self._total)) <= self._durable
            case _:
                pass

    @property
    def _durable(self) -> set[int]:
        return set(range(self._total)) if self.published else set(self.stored)

    def _carry_out(self, side: Side) -> None:
        output = side.todo.popleft()
        match output:
            case Send(payload):
                self.link.append(self._message(side, payload))
                machine = self._machine(side)
                assert machine is not None
                machine.sent(self.now)
                self.chunks_left += isinstance(payload, Chunk)
                is_final_ack = isinstance(payload, Ack) and payload.index == FINAL_ACK
                if is_final_ack:
                    self.owes_final_ack = False
            case ReadChunk(index=index, offset=offset, length=length):
                data = self.content[offset : offset + length]
                self.sender.provide(index, data, self.now)
            case PublishFile():
                self._publish()
            case _:
                raise AssertionError(output)
        self._settle(side)

    def _publish(self) -> None:
        assert self.receiver is not None
        assert b"".join(self.stored[index] for index in range(self._total)) == self.content
        self.published += 1
        self.receiver.published("/inbox/x", self.now)

    def _message(self, side: Side, payload: Payload) -> Message:
        self.timestamp = max(self.timestamp + 1, int(self.now * 1000))
        return message_of(payload, sender=side.node_id, timestamp=self.timestamp)

    def _deliver(self, message: Message) -> None:
        self.history.append(message)
        side = self.bob if message.recipient == BOB else self.alice
        if side is self.bob and self.receiver is None:
            if isinstance(message.payload, Offer):
                self.receiver = self._new_receiver(TransferState.PENDING)
                self.receiver.offered(self.now, timestamp=message.timestamp, is_automatic=True)
                self._settle(side)
            return
        machine = self._machine(side)
        assert machine is not None
        try:
            machine.receive(message, self.now)
        except UnexpectedMessageError:
            # Only what a link can do to honest texts may be unexpected, and only to a sender that
            # was told that its receiver forgot what it had acknowledged.
            assert self.had_power_cut or self.was_cancelled or not isinstance(machine, Receiver)
        self._settle(side)

    # What can happen

    @rule(steps=st.integers(1, 8))
    def all_goes_well_for_a_while(self, steps: int) -> None:
        for _ in range(steps):
            if self.alice.todo or self.bob.todo:
                self._carry_out(self.alice if self.alice.todo else self.bob)
            elif self.link:
                self._deliver(self.link.pop(0))

    @rule(steps=st.integers(8, 20))
    def all_goes_well_for_longer(self, steps: int) -> None:
        self.all_goes_well_for_a_while(steps)

    @precondition(lambda self: self.alice.todo)
    @rule()
    def alice_works(self) -> None:
        self._carry_out(self.alice)

    @precondition(lambda self: self.bob.todo)
    @rule()
    def bob_works(self) -> None:
        self._carry_out(self.bob)

    @precondition(lambda self: self.link)
    @rule()
    def the_oldest_text_arrives(self) -> None:
        self._deliver(self.link.pop(0))

    @precondition(lambda self: self.link)
    @rule(data=st.data())
    def a_text_overtakes(self, data: st.DataObject) -> None:
        self._deliver(self.link.pop(data.draw(st.integers(0, len(self.link) - 1))))

    @precondition(lambda self: self.link)
    @rule(data=st.data())
    def a_text_arrives_and_will_again(self, data: st.DataObject) -> None:
        self._deliver(self.link[data.draw(st.integers(0, len(self.link) - 1))])

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def an_old_text_arrives_again(self, data: st.DataObject) -> None:
        self._deliver(data.draw(st.sampled_from(self.history)))

    @precondition(lambda self: self.link)
    @rule(data=st.data())
    def a_text_is_lost(self, data: st.DataObject) -> None:
        self.link.pop(data.draw(st.integers(0, len(self.link) - 1)))

    @precondition(lambda self: any(isinstance(m.payload, Chunk) for m in self.link))
    @rule(byte=st.integers(0, 255))
    def a_chunk_arrives_damaged(self, byte: int) -> None:
        place = next(n for n, m in enumerate(self.link) if isinstance(m.payload, Chunk))
        message = self.link.pop(place)
        assert isinstance(message.payload, Chunk)
        data = bytes([byte, *message.payload.data[1:]])
        damaged = message.payload.model_copy(update={"data": data})
        self._deliver(message.model_copy(update={"payload": damaged}))

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self._pass(seconds)

    @rule()
    def something_becomes_due(self) -> None:
        self._pass(max(0.0, (self._next_deadline() or self.now) - self.now))

    @rule()
    def alice_is_killed(self) -> None:
        self.alice.todo.clear()
        self._new_sender(self.sender, is_resumed=True)

    @rule()
    def bob_is_killed(self) -> None:
        self._restart_bob()

    @precondition(lambda self: self.bob.todo and isinstance(self.bob.todo[0], PublishFile))
    @rule()
    def bob_is_killed_when_the_file_has_its_name(self) -> None:
        self._publish()
        assert self.receiver is not None
        self.receiver.outputs()
        self.receiver_state = TransferState.COMPLETED
        self.owes_final_ack = True
        self._restart_bob()

    @precondition(lambda self: self.stored and not self.published)
    @rule(data=st.data())
    def bobs_power_fails(self, data: st.DataObject) -> None:
        lost = data.draw(st.sets(st.sampled_from(sorted(self.stored))))
        for index in lost:
            del self.stored[index]
        self.had_power_cut = self.had_power_cut or bool(lost)
        self.progress = 0
        self._restart_bob()

    @precondition(lambda self: not self.sender.state.is_final)
    @rule(is_meant=st.integers(0, 99).map(lambda number: number == 37))
    def alice_cancels(self, *, is_meant: bool) -> None:
        if is_meant:
            self.was_cancelled = True
            self.sender.cancel("enough", self.now)
            self._settle(self.alice)

    def _restart_bob(self) -> None:
        self.bob.todo.clear()
        if self.receiver is None or self.receiver_state is None:
            return
        before = self.receiver
        self.receiver = self._new_receiver(self.receiver_state)
        if not self.receiver_state.is_final or self.owes_final_ack:
            self.receiver.resume(self.now)
        else:
            self.receiver.error = before.error
        self._settle(self.bob)

    def _next_deadline(self) -> float | None:
        deadlines = [self.sender.deadline, self.receiver.deadline if self.receiver else None]
        return min((moment for moment in deadlines if moment is not None), default=None)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds
        for side in (self.alice, self.bob):
            machine = self._machine(side)
            if machine is not None:
                machine.on_deadline(self.now)
                self._settle(side)

    # What always holds

    @invariant()
    def stored_bytes_are_the_right_ones(self) -> None:
        for index, data in self.stored.items():
            assert data == self.content[index * CHUNK : (index + 1) * CHUNK]

    @invariant()
    def the_file_is_published_at_most_once(self) -> None:
        assert self.published <= 1

    @invariant()
    def progress_is_what_is_stored_and_never_goes_down(self) -> None:
        if self.receiver is None:
            return
        done = self.receiver.bytes_done
        assert done == sum(
            len(self.content[index * CHUNK : (index + 1) * CHUNK]) for index in self._durable
        )
        assert done >= self.progress
        self.progress = done

    @invariant()
    def the_sender_believes_only_what_is_true(self) -> None:
        if not self.had_power_cut and hasattr(self, "sender"):
            assert set(range(self.sender.acknowledged)) <= self._durable
            assert self.sender.acknowledged >= self.acknowledged
            self.acknowledged = self.sender.acknowledged

    @invariant()
    def success_is_success_on_both_sides(self) -> None:
        if not hasattr(self, "sender"):
            return
        if self.sender.state is TransferState.COMPLETED:
            assert self.published == 1
        if self.receiver is not None:
            is_completed = self.receiver.state is TransferState.COMPLETED
            assert is_completed == bool(self.published)

    @invariant()
    def who_has_not_ended_waits_for_something(self) -> None:
        if not hasattr(self, "sender"):
            return
        for machine in (self.sender, self.receiver):
            if machine is not None:
                assert (machine.deadline is None) == machine.state.is_final

    def teardown(self) -> None:
        """The link heals, nobody is killed any more: both reach an end, and soon."""
        if not hasattr(self, "sender"):
            return
        until = self.now + PATIENCE.idle
        chunks_before = self.chunks_left
        steps = 0
        while self.now < until:
            steps += 1
            assert steps < 1000, "the two of them never stop talking"
            if self.alice.todo or self.bob.todo:
                self._carry_out(self.alice if self.alice.todo else self.bob)
            elif self.link:
                self._deliver(self.link.pop(0))
            elif (deadline := self._next_deadline()) is not None:
                self._pass(max(0.0, deadline - self.now))
            else:
                break
            self.stored_bytes_are_the_right_ones()
            self.the_file_is_published_at_most_once()
            self.success_is_success_on_both_sides()
        assert self.sender.state.is_final
        assert self.receiver is None or self.receiver.state.is_final
        if not self.was_cancelled and self.waited < PATIENCE.idle:
            assert self.sender.state is TransferState.COMPLETED, self.sender.error
        assert self.chunks_left - chunks_before <= 3 * self._total + 12


def test_two_sides_on_a_bad_link_reach_the_same_end() -> None:
    run_state_machine_as_test(
        Transfer,
        settings=settings(max_examples=150, stateful_step_count=50),
    )
