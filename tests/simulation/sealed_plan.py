"""What a seed decides about a schedule of wire 2."""

import random
from dataclasses import dataclass
from enum import Enum

from ocft.channels import ChannelLimits, TextUnit
from ocft.testing import Faults
from tests.simulation.payloads import Payload, draw_payload


class Trust(Enum):
    """How the nodes come to trust each other."""

    FINGERPRINTS = "each knows the other's fingerprint"
    SECRETS = "each knows the other's secret"
    ONE_SECRET = "alice knows bob's secret, he nothing of her"
    PAIRING = "a code that is shown and typed"
    APPROVAL = "alice knows bob's fingerprint, his owner approves of hers"


class Power(Enum):
    """Who attacks."""

    NOBODY = "nobody"
    ROOM = "somebody who reads all, and writes under names of his own"
    PLATFORM = "whoever carries the texts: drops, changes and writes them under any name"


@dataclass(frozen=True)
class Job:
    """One transfer that somebody wants."""

    sender: str
    receiver: str
    payload: Payload
    after: float
    """Virtual seconds until it is sent."""


@dataclass
class SealedPlan:
    """What a seed decides."""

    seed: int
    chance: random.Random
    limits: ChannelLimits
    faults: Faults
    is_kind: bool
    keeps_texts: bool
    power: Power
    attack_seconds: float
    trust: Trust
    wires: tuple[str, ...]
    accepts_after: float | None
    """Virtual seconds until an offer is decided about; None: accepted without asking."""
    kills: int
    power_cuts: int
    has_small_disk: bool
    jobs: list[Job]

    @classmethod
    def draw(cls, seed: int) -> "SealedPlan":
        chance = random.Random(seed)
        is_kind = chance.random() < 0.3
        power = Power.NOBODY if is_kind else chance.choice(list(Power))
        rate = 0.0 if is_kind else chance.choice([0.0, 0.02, 0.1, 0.25])

        def some(probability: float) -> float:
            return rate * chance.random() if chance.random() < probability else 0.0

        faults = Faults(
            loss=some(0.6),
            duplication=some(0.6),
            reordering=some(0.5),
            damage=some(0.4) / 2,
            truncation=some(0.3) / 2,
            delay=(0.0, chance.choice([0.0, 0.2] if is_kind else [0.0, 0.2, 2.0])),
        )
        trust = chance.choice(list(Trust))
        # Who only knows a secret can be brought to 1.0 by silence, and then all is readable
        # (threat-model.md, section 6): the platform would win, as it may.
        may_speak_wire_1 = power is not Power.PLATFORM or trust is Trust.FINGERPRINTS
        power_cuts = chance.choice([0, 0, 0, 1])
        if trust in (Trust.PAIRING, Trust.APPROVAL):
            power_cuts = 0  # the peer's row is not synced before its owner is told
        return cls(
            seed=seed,
            chance=chance,
            limits=_draw_limits(chance),
            faults=faults,
            is_kind=is_kind,
            keeps_texts=is_kind or chance.random() < 0.5,
            power=power,
            attack_seconds=chance.choice([5.0, 60.0, 400.0]),
            trust=trust,
            wires=("1.0", "2") if may_speak_wire_1 and chance.random() < 0.3 else ("2",),
            accepts_after=chance.choice([None, None, 0.0, 10.0, 200.0]),
            kills=chance.choice([0, 0, 1, 2, 5]),
            power_cuts=power_cuts,
            has_small_disk=chance.random() < 0.08,
            jobs=_draw_jobs(chance, trust),
        )

    @property
    def may_fall_back(self) -> bool:
        """Whether silence can make a sender speak 1.0, which R-WIR-1 wants."""
        return "1.0" in self.wires and self.trust in (
            Trust.SECRETS,
            Trust.ONE_SECRET,
        )

    @property
    def may_fail(self) -> bool:
        """Whether a transfer may end without success, as long as it ends."""
        if self.power is Power.PLATFORM or self.may_fall_back:
            return True
        # Strangers can keep a stranger's first handshake from being answered (R-HSK-5), and who
        # copies it faster than it travels can tie the stranger to another account.
        is_met_as_stranger = self.trust in (Trust.SECRETS, Trust.ONE_SECRET, Trust.APPROVAL)
        return self.power is Power.ROOM and is_met_as_stranger

    def __repr__(self) -> str:
        jobs = [f"{one.sender}>{one.receiver} {one.payload.kind}" for one in self.jobs]
        return (
            f"trust {self.trust.name}, power {self.power.name} for {self.attack_seconds:g} s, "
            f"wires {self.wires}, {self.limits.max_text} {self.limits.unit.value} at "
            f"{self.limits.texts_per_second}, kills {self.kills}+{self.power_cuts}, "
            f"small disk {self.has_small_disk}, keeps texts {self.keeps_texts}, "
            f"kind {self.is_kind}, accepts after {self.accepts_after}, {self.faults}, {jobs}"
        )


def _draw_limits(chance: random.Random) -> ChannelLimits:
    longest, unit = chance.choice(
        [
            (2000, TextUnit.CODE_POINTS),
            (4096, TextUnit.UTF16_UNITS),
            (100_000, TextUnit.CODE_POINTS),
        ]
    )
    pace = chance.choice([None, None, None, 1.0])
    return ChannelLimits(
        max_text=longest, unit=unit, texts_per_second=pace, burst=chance.choice([1, 5])
    )


def _draw_jobs(chance: random.Random, trust: Trust) -> list[Job]:
    count = chance.choice([1, 1, 1, 2, 3])
    is_mutual = trust not in (Trust.ONE_SECRET, Trust.APPROVAL)  # else bob has to be met first
    goes_both_ways = chance.random() < 0.3 and is_mutual
    jobs = []
    for number in range(count):
        to_alice = goes_both_ways and chance.random() < 0.5
        sender, receiver = ("bob", "alice") if to_alice else ("alice", "bob")
        after = chance.choice([0.0, 0.0, 5.0, 100.0])
        jobs.append(Job(sender, receiver, draw_payload(chance, number), after))
    return jobs
