"""Planted faults: one line each, and the tests that must notice.

A fault that survives is a missing test, or code that does nothing. Add one here when a bug was
found that no test had noticed.
"""

from dataclasses import dataclass

_SENDER = "ocft/protocol/wire1/sender.py"
_RECEIVER = "ocft/protocol/wire1/receiver.py"
_MACHINE = "ocft/protocol/wire1/machine.py"
_STATES = "ocft/protocol/wire1/states.py"
_SENDER_2 = "ocft/protocol/wire2/sender.py"
_RECEIVER_2 = "ocft/protocol/wire2/receiver.py"
_ARRIVED = "ocft/protocol/wire2/arrived.py"
_WINDOW = "ocft/protocol/wire2/window.py"
_ACKS = "ocft/protocol/wire2/acks.py"
_HANDSHAKE = "ocft/protocol/wire2/handshake.py"
_PAIRING = "ocft/protocol/wire2/pairing.py"
_ANSWERS = "ocft/runtime/wire2/answers.py"
_HANDSHAKES = "ocft/runtime/wire2/handshakes.py"
_SESSIONS = "ocft/runtime/wire2/sessions.py"
_TRUST = "ocft/runtime/wire2/trust.py"
_CODEC = "ocft/wire/codec.py"
_MESSAGES = "ocft/wire/messages.py"
_INCOMING = "ocft/storage/incoming.py"
_PARTIAL = "ocft/storage/partial.py"
_NAMES = "ocft/storage/names.py"

_PUMP = "ocft/runtime/pump.py"
_RECEIVING = "ocft/runtime/wire1/receiving.py"
_LAUNCH = "ocft/runtime/wire1/launch.py"
_ENGINE = "ocft/runtime/engine.py"
_INBOX = "ocft/runtime/inbox.py"
_OUTBOX = "ocft/runtime/outbox.py"

_SIMULATION = "tests/simulation/test_schedules.py"
_TEST_MANAGER = "tests/runtime/test_manager.py"
_TEST_INBOX = "tests/runtime/test_inbox.py"
_TEST_OUTBOX = "tests/runtime/test_outbox.py"
_MODEL = "tests/protocol/wire1/test_model.py"
_TEST_SENDER = "tests/protocol/wire1/test_sender.py"
_TEST_RECEIVER = "tests/protocol/wire1/test_receiver.py"
_MODEL_2 = "tests/protocol/wire2/test_model.py"
_COSTS = "tests/protocol/wire2/test_costs.py"
_TEST_SENDER_2 = "tests/protocol/wire2/test_sender.py"
_TEST_RECEIVER_2 = "tests/protocol/wire2/test_receiver.py"
_TEST_WINDOW = "tests/protocol/wire2/test_window.py"
_TEST_ACKS = "tests/protocol/wire2/test_acks.py"
_TEST_HANDSHAKE = "tests/protocol/wire2/test_handshake.py"
_TEST_PAIRING = "tests/protocol/wire2/test_pairing.py"
_TEST_ANSWERS = "tests/runtime/wire2/test_answers.py"
_TEST_ATTEMPTS = "tests/runtime/wire2/test_attempts.py"
_TEST_HANDSHAKES = "tests/runtime/wire2/test_handshakes.py"
_TEST_SESSIONS = "tests/runtime/wire2/test_sessions.py"
_TEST_TRUST = "tests/runtime/wire2/test_trust.py"
_TEST_CODEC = "tests/wire/test_codec.py"
_TEST_MESSAGES = "tests/wire/test_messages.py"
_TEST_INCOMING = "tests/storage/test_incoming.py"
_TEST_PARTIAL = "tests/storage/test_partial.py"
_TEST_NAMES = "tests/storage/test_names.py"


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Args:
        name: What is wrong then, in a few words.
        file: The file, from the root of the repository.
        old: Text that occurs once in the file.
        new: What stands there instead.
        tests: Each of these test files, or tests, must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


FAULTS: tuple[Fault, ...] = (
    Fault(
        "every duplicate ack sends a chunk",
        _SENDER,
        "        if not is_news:\n            return  # R-ACK-3",
        "        if False:\n            return  # R-ACK-3",
        (_TEST_SENDER, _MODEL),
    ),
    Fault(
        "an ack for a chunk that was never sent is believed",
        _SENDER,
        "        if index >= self._sent_before:",
        "        if False:",
        (_TEST_SENDER,),
    ),
    Fault(
        "a final ack that says no is success",
        _SENDER,
        "SenderInput.FINAL_YES if received else SenderInput.FINAL_NO",
        "SenderInput.FINAL_YES",
        (_TEST_SENDER,),
    ),
    Fault(
        "an accept beyond the end is believed",
        _SENDER,
        "        if not keeps or first > self.plan.total:",
        "        if not keeps:",
        (_TEST_SENDER,),
    ),
    Fault(
        "a 1.x receiver is believed to keep its chunks",
        _SENDER,
        "            keeps = accept.resume_from is not None",
        "            keeps = True",
        (_TEST_SENDER,),
    ),
    Fault(
        "an accept that was overtaken is followed",
        _SENDER,
        "        if self.accepted_at is None or timestamp > self.accepted_at:",
        "        if True:",
        (_TEST_SENDER, _MODEL),
    ),
    Fault(
        "a silent receiver is never offered the file anew",
        _SENDER,
        "        if self._vain > _VAIN_REPEATS:",
        "        if False:",
        (_TEST_SENDER,),
    ),
    Fault(
        "damage is repeated for ever",
        _SENDER,
        "        self._naks += 1\n",
        "        self._naks = 1\n",
        (_TEST_SENDER,),
    ),
    Fault(
        "a piece that comes too late is sent",
        _SENDER,
        "        if index != self._reading:",
        "        if False:",
        (_TEST_SENDER,),
    ),
    Fault(
        "the answer to a repeat feeds the estimate",
        _MACHINE,
        "        if self._sent_at is not None and self._vain == 0:",
        "        if self._sent_at is not None:",
        (_TEST_SENDER,),
    ),
    Fault(
        "the peer loses patience never",
        "ocft/protocol/machine.py",
        "        return now >= min(self._idle_at, self._total_at)",
        "        return now >= self._total_at",
        (_TEST_SENDER, _TEST_RECEIVER),
    ),
    Fault(
        "an ack leaves before its chunk is on disk",
        _RECEIVER,
        "            self._writing.add(index)\n",
        "            self._answer(Ack(index=index, received=True), now)\n",
        (_TEST_RECEIVER, _MODEL),
    ),
    Fault(
        "a chunk is written without a look at its digest",
        _RECEIVER,
        "        elif not digests_match(digest_of(chunk.data), chunk.hash):",
        "        elif False:",
        (_TEST_RECEIVER, _MODEL),
    ),
    Fault(
        "a chunk of any length is written",
        _RECEIVER,
        "        elif len(chunk.data) != self.plan.length(index):",
        "        elif False:",
        (_TEST_RECEIVER,),
    ),
    Fault(
        "an ack hides a gap before it",
        _RECEIVER,
        "        if self._due > index:\n",
        "        if True:\n",
        (_TEST_RECEIVER,),
    ),
    Fault(
        "a chunk is acknowledged by its own number, whatever is missing before it",
        _RECEIVER,
        "            self._answer(Ack(index=self._due - 1, received=True), now)\n        else:\n"
        "            self._answer(self._accept(), now)\n\n    def published",
        "            self._answer(Ack(index=index, received=True), now)\n        else:\n"
        "            self._answer(Ack(index=index, received=True), now)\n\n    def published",
        (_TEST_RECEIVER, _MODEL),
    ),
    Fault(
        "a file is published with chunks missing",
        _RECEIVER,
        "        is_early = not self._has_all and not self.state.is_final",
        "        is_early = False",
        (_TEST_RECEIVER, _MODEL),
    ),
    Fault(
        "every duplicate chunk is answered",
        _RECEIVER,
        "        if self._is_recent(self._answered_at, now):",
        "        if False:",
        (_TEST_RECEIVER,),
    ),
    Fault(
        "another file may take the place of the one that was offered",
        _RECEIVER,
        "        if not self._is_same(offer):",
        "        if False:",
        (_TEST_RECEIVER,),
    ),
    Fault(
        "the end while the file is named can be talked away",
        _STATES,
        "            _R.PEER_CANCELLED: S.COMPLETING,",
        "            _R.PEER_CANCELLED: S.CANCELLED,",
        ("tests/protocol/test_states.py", _TEST_RECEIVER),
    ),
    Fault(
        "a text of any length is decoded",
        _CODEC,
        "    if len(text) > MAX_TEXT:",
        "    if False:",
        (_TEST_CODEC,),
    ),
    Fault(
        "the last of two equal keys counts",
        _CODEC,
        "    if len(fields) != len(pairs):",
        "    if False:",
        (_TEST_CODEC,),
    ),
    Fault(
        "wrapped lines are not joined",
        _CODEC,
        '        yield "".join(wrapped[0].split())',
        "        yield wrapped[0]",
        (_TEST_CODEC,),
    ),
    Fault(
        "an error quotes the peer's value",
        "ocft/wire/models.py",
        """    return f"{place}: {first['msg']}\"""",
        '    return f"{place}: {error}"',
        (_TEST_CODEC,),
    ),
    Fault(
        "data has several spellings",
        _MESSAGES,
        "    if (spare := len(data) % 3) and _encode_base64(data[-spare:]) != value[-4:]:",
        "    if False:",
        (_TEST_MESSAGES,),
    ),
    Fault(
        "the journal knows of a piece before it is written",
        _INCOMING,
        "        self._part.write(offset, data)\n        self._journal.add_unsynced("
        "self._id, offset, end, digest, at)\n",
        "        self._journal.add_unsynced("
        "self._id, offset, end, digest, at)\n        self._part.write(offset, data)\n",
        (_TEST_INCOMING,),
    ),
    Fault(
        "a power cut is not noticed",
        _INCOMING,
        "            is_whole = digests_match(digest_of(data), piece.digest)",
        "            is_whole = True",
        (_TEST_INCOMING,),
    ),
    Fault(
        "the journal calls a piece synced before the disk has it",
        _INCOMING,
        "        try:\n            self._part.sync()\n",
        "        try:\n            self._journal.mark_synced(self._id, pieces)\n"
        "            self._part.sync()\n",
        (_TEST_INCOMING,),
    ),
    Fault(
        "another content than the offered one is saved",
        _INCOMING,
        "        if not digests_match(self._part.digest(self._size), digest):",
        "        if False:",
        (_TEST_INCOMING,),
    ),
    Fault(
        "a part file that was cut off counts as whole",
        _INCOMING,
        "            if end <= length:",
        "            if True:",
        (_TEST_INCOMING,),
    ),
    Fault(
        "the link may reach the disk before the journal knows of it",
        _INCOMING,
        "        self._journal.save_publishing(self._id, str(path))",
        "        pass",
        (_TEST_INCOMING,),
    ),
    Fault(
        "a file that is there is replaced",
        _PARTIAL,
        "        os.link(part, target, follow_symlinks=False)",
        "        part.replace(target)",
        (_TEST_PARTIAL,),
    ),
    Fault(
        "a failed sync is forgotten",
        _PARTIAL,
        "        self._is_damaged = True",
        "        self._is_damaged = False",
        (_TEST_PARTIAL,),
    ),
    Fault(
        "a backslash is part of a name",
        _NAMES,
        r'_SEPARATORS: Final = re.compile(r"[/\\]")',
        r'_SEPARATORS: Final = re.compile(r"[/]")',
        (_TEST_NAMES,),
    ),
    Fault(
        "a name may begin with a dot",
        _NAMES,
        '_LEADERS: Final = (".", "-",',
        '_LEADERS: Final = ("-",',
        (_TEST_NAMES,),
    ),
    Fault(
        "a device of Windows is a name",
        _NAMES,
        "or _DEVICE.fullmatch(device):",
        "or False:",
        (_TEST_NAMES,),
    ),
    Fault(
        "what is invisible stays in a name",
        _NAMES,
        '    return _INVISIBLE.sub("", "".join(kept))',
        '    return "".join(kept)',
        (_TEST_NAMES,),
    ),
    Fault(
        "a chunk is acknowledged and not stored",
        _RECEIVING,
        "            self._incoming.store(\n",
        "            print(\n",
        (_SIMULATION,),
    ),
    Fault(
        "a restart forgets that receivers differ",
        _LAUNCH,
        "            keeps_chunks=record.keeps_chunks,",
        "            keeps_chunks=None,",
        (_SIMULATION,),
    ),
    Fault(
        "the end of a transfer is not written down",
        _PUMP,
        "        return self.machine.state is not self.record.info.state",
        "        return not self.machine.state.is_final and "
        "self.machine.state is not self.record.info.state",
        (_TEST_MANAGER,),
    ),
    Fault(
        "a file that had its name already is received again",
        _LAUNCH,
        "        path = incoming.recover(record)",
        "        path = None",
        (_SIMULATION,),
    ),
    Fault(
        "interrupted receptions are left alone",
        _ENGINE,
        "            elif not self._sends_only:\n                self._launch_receiving(record)\n"
        "        self.reading",
        "        self.reading",
        (_SIMULATION,),
    ),
    Fault(
        "the word of a text about its sender is believed",
        _INBOX,
        "        if author != known_as:",
        "        if not author:",
        (_TEST_INBOX,),
    ),
    Fault(
        "another peer may speak for a transfer",
        _INBOX,
        "            record.info.peer_id != message.sender\n            or ",
        "            ",
        (_TEST_INBOX,),
    ),
    Fault(
        "chunks go before control messages",
        _OUTBOX,
        "        queues = (self._control, self._data)",
        "        queues = (self._data, self._control)",
        (_TEST_OUTBOX,),
    ),
    Fault(
        "a second accept of an epoch is taken too",
        _SENDER_2,
        "case TransferAccept() if message.epoch == self.epoch and self._window is None:",
        "case TransferAccept() if message.epoch == self.epoch:",
        (_TEST_SENDER_2,),
    ),
    Fault(
        "an ack that was overtaken is believed",
        _SENDER_2,
        "        if window is None or number <= self._last_ack:",
        "        if window is None:",
        (_TEST_SENDER_2,),
    ),
    Fault(
        "a peer that only ever asks anew spins the epochs",
        _SENDER_2,
        "        elif self._has_offered:\n",
        "        elif True:\n",
        (_TEST_SENDER_2,),
    ),
    Fault(
        "a probe does not ask for an ack",
        _SENDER_2,
        "asks_ack or self._owes_probe or ends_manifest",
        "asks_ack or ends_manifest",
        (_TEST_SENDER_2,),
    ),
    Fault(
        "a silent receiver is never offered the next epoch",
        _SENDER_2,
        "        if self._probes_in_vain >= _VAIN_PROBES:",
        "        if False:",
        (_TEST_SENDER_2,),
    ),
    Fault(
        "a repeat that was not heard dates other frames",
        _WINDOW,
        "                self._reordering = max(self._reordering, more)  # files may want more",
        "                self._heard = max(self._heard, number)",
        (_TEST_WINDOW,),
    ),
    Fault(
        "what was acknowledged late is sent again",
        _WINDOW,
        "        self._forget_what_is_stored()\n        self.find_lost(now)",
        "        self.find_lost(now)",
        (_TEST_WINDOW,),
    ),
    Fault(
        "a frame is lost however young it is",
        _WINDOW,
        "            if now >= frame.at + patience:",
        "            if True:",
        (_TEST_WINDOW, _COSTS),
    ),
    Fault(
        "bytes beyond the limit are sent",
        _WINDOW,
        "self.stored.missing(self._next, self.limit)",
        "self.stored.missing(self._next, self._size)",
        (_TEST_SENDER_2,),
    ),
    Fault(
        "the bytes in flight are not given back",
        _WINDOW,
        "        self._bytes_in_flight -= frame.end - frame.first",
        "        self._bytes_in_flight -= 0",
        (_TEST_WINDOW,),
    ),
    Fault(
        "bytes are acknowledged when they come",
        _ARRIVED,
        "        return tuple(self.stored.pairs(MOST_RANGES + 1))",
        "        return tuple(self._written.pairs(MOST_RANGES + 1))",
        (_TEST_RECEIVER_2, _MODEL_2),
    ),
    Fault(
        "before the decision files are written",
        _RECEIVER_2,
        "        if end > (self.limit if first < end else self._arrived.size):",
        "        if end > self._arrived.size:",
        (_TEST_RECEIVER_2,),
    ),
    Fault(
        "a receiver that lost its keys accepts the same epoch again",
        _RECEIVER_2,
        "self._owes = SayAgain(epoch)\n",
        "self._accept = self._owes = SayAccept(epoch, self.is_decided, self.limit)\n",
        (_TEST_RECEIVER_2,),
    ),
    Fault(
        "the decision is told once",
        _RECEIVER_2,
        "            else:\n                self._acks.ask(now)",
        "            else:\n                pass",
        (_TEST_RECEIVER_2,),
    ),
    Fault(
        "a decision is said in an accept that has left already",
        _RECEIVER_2,
        "        if isinstance(self._owes, SayAccept) and not self._has_keys:",
        "        if isinstance(self._owes, SayAccept):",
        (_TEST_RECEIVER_2,),
    ),
    Fault(
        "every copy of a frame gets an ack of its own",
        _ACKS,
        "max(now, self._last_ack_at + _DUPLICATE_PAUSE)",
        "now",
        (_TEST_ACKS, _TEST_RECEIVER_2),
    ),
    Fault(
        "another identity than the known one may answer",
        _HANDSHAKE,
        "    if known is not None and not proofs_match(known, peer.fingerprint):",
        "    if False:",
        (_TEST_HANDSHAKE,),
    ),
    Fault(
        "a wrong proof proves",
        _HANDSHAKE,
        "                if proofs_match(secret_proof(root, th3, secret, is_initiator=True), "
        "finish.proof):",
        "                if finish.proof:",
        (_TEST_HANDSHAKE, _TEST_ANSWERS),
    ),
    Fault(
        "a fingerprint that was learnt before the FINISH is not looked at",
        _HANDSHAKE,
        "        _require_same(known, self.peer, self.peer_id)\n        if self._established",
        "        if self._established",
        (_TEST_HANDSHAKE, _TEST_ANSWERS),
    ),
    Fault(
        "a fingerprint that was learnt before the welcome is not looked at",
        _HANDSHAKE,
        "        _require_same(known, self._peer, self._peer_id)\n",
        "",
        (_TEST_HANDSHAKE, _TEST_ATTEMPTS),
    ),
    Fault(
        "who knows our secret answers for whom we ask",
        _HANDSHAKES,
        "(sender, author, is_addressed=is_addressed)",
        "(sender, author)",
        (_TEST_HANDSHAKES,),
    ),
    Fault(
        "an account may guess at our secret without end",
        _ANSWERS,
        "return wrong >= _MOST_WRONG_PROOFS and not",
        "return False and not",
        (_TEST_ANSWERS,),
    ),
    Fault(
        "many accounts may guess at our secret without end",
        _ANSWERS,
        "return len(self._wrong_proofs) < _MOST_WRONG_PROOFS_OF_ALL",
        "return True",
        (_TEST_ANSWERS,),
    ),
    Fault(
        "wrong proofs of one account lock all out",
        _ANSWERS,
        "sum(whose == author for _, whose in self._wrong_proofs)",
        "len(self._wrong_proofs)",
        (_TEST_ANSWERS,),
    ),
    Fault(
        "a peer's id from any account is that peer",
        _TRUST,
        "return not (self.is_trusted(peer_id) and self.is_account_of(peer_id, author))",
        "return not self.is_trusted(peer_id)",
        (_TEST_TRUST, _TEST_ANSWERS),
    ),
    Fault(
        "an answer goes under a root key that the peer may lack",
        _SESSIONS,
        "if used is not None and self.is_kept(used):",
        "if False:",
        (_TEST_SESSIONS,),
    ),
    Fault(
        "a root key that the peer begins with is forgotten",
        _SESSIONS,
        "and not _may_have_crossed(*stored)",
        "",
        (_TEST_SESSIONS,),
    ),
    Fault(
        "a peer need not prove its secret",
        _HANDSHAKE,
        "(self._peer_secret or not trusts_unknown)",
        "(not trusts_unknown)",
        (_TEST_HANDSHAKE,),
    ),
    Fault(
        "who showed the code need not know it",
        _PAIRING,
        "is_right = proofs_match(keys.mac, answer.mac)",
        "is_right = True",
        (_TEST_PAIRING,),
    ),
    Fault(
        "a wrong guess may be followed by another step",
        _PAIRING,
        "        except PairingFailedError:\n            self._is_over = True\n            raise",
        "        except PairingFailedError:\n            raise",
        (_TEST_PAIRING,),
    ),
    Fault(
        "answers to offers are life although nothing is acknowledged",
        _SENDER_2,
        "        if self._epochs_in_vain <= 1:\n",
        "        if True:\n",
        (_TEST_SENDER_2,),
    ),
    Fault(
        "a sender can make as many ranges as it likes",
        _ARRIVED,
        "not self._written.takes(first, end)",
        "False",
        (_TEST_RECEIVER_2,),
    ),
    Fault(
        "a receiver can make as many ranges as it likes",
        _WINDOW,
        "            if self.stored.takes(first, end):",
        "            if True:",
        (_TEST_WINDOW,),
    ),
    Fault(
        "a full disk makes other offers replays",
        "ocft/runtime/wire2/offers.py",
        "journal.drop(",
        "journal.remove(",
        ("tests/runtime/wire2/test_offers.py",),
    ),
    Fault(
        "a kill before an automatic decision leaves the offer undecided",
        "ocft/runtime/wire2/offers.py",
        "        elif pump.is_undecided and self.decide_again",
        "        elif False and self.decide_again",
        ("tests/runtime/wire2/test_offers.py",),
    ),
    Fault(
        "what came before a cancel counts as nothing",
        "ocft/runtime/wire2/receiving.py",
        "they came (R-LIM-1).\n                self._around.journal.save(self.record)\n",
        "they came (R-LIM-1).\n",
        ("tests/runtime/wire2/test_offers.py",),
    ),
    Fault(
        "a file that just got its name is taken for one that was here",
        "ocft/runtime/wire2/receiving.py",
        " and not _is_publishing(arriving)",
        "",
        ("tests/runtime/wire2/test_receiving.py",),
    ),
    Fault(
        "all transfers read the download folder at once",
        "ocft/runtime/wire2/taking.py",
        "        async with self._looking:\n",
        "        if True:\n",
        ("tests/runtime/wire2/test_taking.py",),
    ),
    Fault(
        "an alphabet that worked once is never doubted",
        "ocft/runtime/wire2/sending.py",
        "                self._dense.doubt(",
        "                bool(",
        ("tests/runtime/wire2/test_sending.py",),
    ),
    Fault(
        "a part file that cannot be opened keeps the node from starting",
        "ocft/runtime/wire2/launch.py",
        "        except StorageError:  # to stop",
        "        except ZeroDivisionError:  # to stop",
        ("tests/runtime/wire2/test_launch.py",),
    ),
    Fault(
        "a peer is written to where it was at the start of a transfer",
        "ocft/runtime/wire2/pump.py",
        "        if now >= self._looked_up_at + _LOOK_UP_EVERY:",
        "        if not self._address:",
        ("tests/runtime/wire2/test_pump.py",),
    ),
    Fault(
        "any text to who typed a code settles whose answers it hears",
        "ocft/runtime/wire2/pairings.py",
        """            if not typed.guesser.take(message):
                return "unexpected"
""",
        "            typed.guesser.take(message)\n",
        ("tests/runtime/wire2/test_pairings.py",),
    ),
    Fault(
        "who repeats the last step of a pairing becomes the peer's account",
        "ocft/runtime/wire2/pairings.py",
        "shown.prover.paired is not None and not was_paired:",
        "shown.prover.paired is not None:",
        ("tests/runtime/wire2/test_pairings.py",),
    ),
    Fault(
        "the owner's yes is a way around what was said of the peer",
        _ENGINE,
        "        self._inbox.require_permission(pump.record)\n",
        "",
        ("tests/runtime/test_sealed_trust.py",),
    ),
    Fault(
        "an expired peer goes on by offering again",
        _ENGINE,
        "        if self.trust_watch.has_ended(record.info):\n",
        "        if not record.info:\n",
        (_TEST_INBOX,),
    ),
    Fault(
        "trust that has run out ends transfers for good",
        "ocft/runtime/trust_watch.py",
        "is_resumable = self._trust.may_be_renewed(info.peer_id)",
        "is_resumable = False",
        ("tests/runtime/test_sealed_trust.py",),
    ),
    Fault(
        "a revocation can be undone by a resume",
        "ocft/runtime/trust_watch.py",
        "_distrust(pump, error, is_resumable=False)",
        "_distrust(pump, error, is_resumable=True)",
        ("tests/runtime/test_sealed_trust.py",),
    ),
    Fault(
        "the database lets its thief test guesses of a secret",
        "ocft/crypto/tokens.py",
        'key = derive(b"", storage_key, ',
        'key = derive(b"", b"", ',
        ("tests/crypto/test_tokens.py",),
    ),
    Fault(
        "a sender of WebRTC fills the receiver's memory",
        "ocft/routes/webrtc_client.py",
        "self._held <= WINDOW and ",
        "",
        ("tests/routes/test_webrtc_client.py",),
    ),
    Fault(
        "WebRTC is there on all addresses of the machine",
        "ocft/routes/webrtc_line.py",
        "component, self._addresses, timeout",
        "component, addresses, timeout",
        ("tests/routes/test_webrtc_line.py",),
    ),
    Fault(
        "WebRTC sends faster than the network takes",
        "ocft/routes/webrtc_line.py",
        "if self.unsent > _HIGH:",
        "if not message:",
        ("tests/routes/test_webrtc_line.py",),
    ),
    Fault(
        "a peer's signal makes us talk to anybody",
        "ocft/runtime/wire2/webrtc_signals.py",
        "reachable_places(kinds, own)",
        "list(kinds)",
        ("tests/runtime/wire2/test_webrtc_signals.py",),
    ),
    Fault(
        "an old call hangs up on a newer one",
        "ocft/runtime/wire2/webrtc_answering.py",
        "if signal.call > self._call:",
        "if signal.call != self._call:",
        ("tests/runtime/wire2/test_webrtc_calls.py",),
    ),
)
