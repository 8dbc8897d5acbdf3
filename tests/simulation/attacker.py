"""Somebody on the channel who sees every text and has no key: what he hears, keeps and writes.

How he puts frames together is in `forgery`. With the platform's power he writes under any name,
and drops, holds back and changes what others write; without it he writes under names of his own.
"""

import asyncio
import random
from collections.abc import Callable

from ocft.errors import MalformedMessageError, OcftError
from ocft.wire import (
    Alphabet,
    Assembler,
    Finish,
    Fragment,
    Hello,
    Pair,
    Reply,
    decode,
    encode_frame,
    parse_frame,
    split_frame,
)
from tests.simulation.forgery import Forger, cut, flip, splice
from tests.simulation.sealed_plan import Power, SealedPlan
from tests.simulation.world import Link, wall_clock_ms

OWN_NAME = "mallory"
_MOST_KEPT = 400  # frames to choose from
_ROOM = 1400  # bytes of a fragment
_BURNS = 2  # pairing codes that he spoils; then the people change the room
_MOST_HANDSHAKES = 12  # that he begins or answers; each costs a real node milliseconds


class Attacker:
    """One attacker.

    Args:
        plan: The schedule's.
        link: The platform.
        victims: The honest nodes.
        secrets: Each victim's secret where he may have read it, in a 1.0 text; else nothing.
    """

    def __init__(
        self, plan: SealedPlan, link: Link, victims: tuple[str, ...], secrets: dict[str, str]
    ) -> None:
        self._plan = plan
        self._chance = random.Random(plan.seed + 1)  # his draws move nothing in the schedule
        self._link = link
        self._victims = victims
        self._secrets = secrets
        self._forger = Forger(self._chance)
        self._assembler = Assembler()
        self._frames: list[tuple[str, str, bytes]] = []
        self._burns = 0
        self._handshakes = 0
        self.texts: list[tuple[str, str, str]] = []
        """Author, address and text of all that honest nodes sent, for ever."""
        self.own: list[tuple[str, str, str]] = []
        """The same of what he wrote, without floods."""
        self.is_active = plan.power is not Power.NOBODY
        self.has_burnt = False

    @property
    def _is_platform(self) -> bool:
        return self._plan.power is Power.PLATFORM

    def hear(self, author: str, to: str, text: str) -> list[tuple[float, str]]:
        """Take in what an honest node sends, and say what goes on."""
        self.texts.append((author, to, text))
        if not self.is_active:
            return [(0.0, text)]
        for frame in decode(text):
            if isinstance(frame, bytes):
                self._take(author, to, frame)
        return self._tamper(text) if self._is_platform else [(0.0, text)]

    async def run(self) -> None:
        """Attack, for as long as the plan says."""
        if not self.is_active:
            return
        ends_at = asyncio.get_running_loop().time() + self._plan.attack_seconds
        pause = self._plan.attack_seconds / self._chance.choice([8, 20, 40])
        if self._chance.random() < 0.15:
            self._flood(self._chance.choice([100, 1000]))
        actions: list[Callable[[], None]] = [
            self._replay,
            self._replay,
            self._change,
            self._change,
            self._splice,
            self._splice,
            self._reflect,
            self._guess_control,
            self._say_hello,
            self._pair,
            self._offer_in_clear,
            self._send_fragment,
        ]
        while asyncio.get_running_loop().time() < ends_at:
            await asyncio.sleep(self._chance.uniform(0, 2 * pause))
            self._chance.choice(actions)()
        self.is_active = False

    # Hearing

    def _take(self, author: str, to: str, frame: bytes) -> None:
        parsed = parse_frame(frame)
        if isinstance(parsed, Fragment):
            try:
                whole = self._assembler.add(author, parsed, 0.0)
            except MalformedMessageError:
                return
            if whole is not None:
                self._take(author, to, whole)
        if len(self._frames) < _MOST_KEPT:
            self._frames.append((author, to, frame))
        else:
            self._frames[self._chance.randrange(_MOST_KEPT)] = (author, to, frame)
        self._react(author, to, parsed)

    def _react(self, author: str, to: str, parsed: object) -> None:
        """Answer in somebody's place, before he does."""
        match parsed:
            case Hello() if self._may_shake_hands(0.3):
                reply = self._forger.reply_to(parsed)
                self._say(self._author_as(to), author, reply)
            case Finish():
                for frame in self._forger.take_finish(parsed):
                    self._say(self._author_as(to), author, frame)
            case Reply():
                for name, frame in self._forger.take_reply(parsed, self._now_ms()):
                    self._say(self._author_as(name), author, frame)
            case Pair(step=1) if self._burns < _BURNS and self._chance.random() < 0.3:
                self._burn()
                self._say(self._author_as(to), author, self._forger.answer_guess(parsed, to))
            case Pair() if self._burns < _BURNS and self._chance.random() < 0.2:
                self._burn()
                self._say(self._author_as(author), to, self._forger.guess(parsed.n, author))
            case _:
                pass

    def _tamper(self, text: str) -> list[tuple[float, str]]:
        """What the platform does to a text on its way."""
        chance = self._chance.random()
        if chance < 0.1:
            return []
        if chance < 0.2:
            return [(self._chance.choice([1.0, 30.0, 200.0]), text)]
        if chance < 0.25:
            return [(0.0, text), (self._chance.choice([0.1, 50.0]), text)]
        if chance < 0.3:
            frames = [one for one in decode(text) if isinstance(one, bytes)]
            return [(0.0, encode_frame(flip(self._chance, one), _BASE64)) for one in frames]
        return [(0.0, text)]

    # Writing

    def _replay(self) -> None:
        if not self.texts:
            return
        author, to, text = self._chance.choice(self.texts)
        if self._chance.random() < 0.3:
            to = self._chance.choice(self._victims)
        author = self._author_as(author)
        self.own.append((author, to, text))
        self._link.put(author, to, text)

    def _change(self) -> None:
        if not self._frames:
            return
        author, to, frame = self._chance.choice(self._frames)
        change = self._chance.choice([flip, cut])
        self._say(self._author_as(author), to, change(self._chance, frame))

    def _splice(self) -> None:
        if not self._frames:
            return
        author, to, frame = self._chance.choice(self._frames)
        _, _, other = self._chance.choice(self._frames)
        for one in splice(self._chance, frame, other):
            self._say(self._author_as(author), to, one)

    def _reflect(self) -> None:
        if not self._frames:
            return
        author, to, frame = self._chance.choice(self._frames)
        self._say(self._author_as(to), author, frame)

    def _guess_control(self) -> None:
        if not self._frames:
            return
        author, to, frame = self._chance.choice(self._frames)
        for one in self._forger.random_like(frame):
            self._say(self._author_as(author), to, one)

    def _say_hello(self) -> None:
        if not self._may_shake_hands(1.0):
            return
        victim = self._chance.choice(self._victims)
        names = [OWN_NAME, *(one for one in self._victims if one != victim)]
        name = self._chance.choice(names)
        guess = self._chance.choice(["", "", "guess"])
        self._say(self._author_as(name), victim, self._forger.hello(name, victim, guess))

    def _pair(self) -> None:
        victim = self._chance.choice(self._victims)
        seen = [parse_frame(one) for _, _, one in self._frames if one[0] == 0x25]
        numbers = [one.n for one in seen if isinstance(one, Pair)] or [7]
        if self._burns < _BURNS:
            self._burn()
            name = self._chance.choice([OWN_NAME, *self._victims])
            guess = self._forger.guess(self._chance.choice(numbers), name)
            self._say(self._author_as(name), victim, guess)

    def _offer_in_clear(self) -> None:
        victim = self._chance.choice(self._victims)
        name = self._chance.choice([one for one in self._victims if one != victim])
        text = self._forger.offer_in_clear(
            name, victim, secret=self._secrets.get(victim), now_ms=self._now_ms()
        )
        author = self._author_as(name)
        self.own.append((author, victim, text))
        self._link.put(author, victim, text)

    def _send_fragment(self) -> None:
        pieces = [one for one in self._frames if one[2][0] == 0x20]
        if pieces and self._chance.random() < 0.5:
            author, to, frame = self._chance.choice(pieces)
            frame = frame[:9] + bytes([self._chance.randrange(16)]) + frame[10:]
        else:
            author, to = OWN_NAME, self._chance.choice(self._victims)
            frame = self._forger.fragment()
        self._say(self._author_as(author), to, frame)

    def _flood(self, count: int) -> None:
        """Write a lot at once, under many names of his own."""
        victim = self._chance.choice(self._victims)
        kind = self._chance.choice(["hello", "fragment", "offer", "frame"])
        for number in range(count):
            author = f"{OWN_NAME}-{number % self._chance.choice([1, 40])}"
            match kind:
                case "hello":
                    text = self._text(self._forger.cheap_hello(author, victim))
                case "fragment":
                    text = self._text(self._forger.fragment())
                case "offer":
                    text = self._forger.offer_in_clear(
                        author, victim, secret=None, now_ms=self._now_ms()
                    )
                case _:
                    text = self._text(self._forger.random_frame())
            self._link.put(author, victim, text)

    def _say(self, author: str, to: str, frame: bytes) -> None:
        try:
            frames = [frame] if len(frame) < _ROOM else split_frame(frame, _ROOM)
        except (OcftError, ValueError):
            frames = [frame]
        for one in frames:
            text = self._text(one)
            self.own.append((author, to, text))
            self._link.put(author, to, text)

    def _text(self, frame: bytes) -> str:
        return encode_frame(frame, self._chance.choice([_BASE64, Alphabet.CJK15]))

    def _author_as(self, author: str) -> str:
        """Return the name to write under: that of another one, if he can."""
        if self._is_platform and self._chance.random() < 0.8:
            return author
        return self._chance.choice([OWN_NAME, f"{OWN_NAME}-2"])

    def _may_shake_hands(self, probability: float) -> bool:
        if self._handshakes >= _MOST_HANDSHAKES or self._chance.random() >= probability:
            return False
        self._handshakes += 1
        return True

    def _burn(self) -> None:
        self._burns += 1

    def _now_ms(self) -> int:
        return wall_clock_ms()


_BASE64 = Alphabet.BASE64URL
