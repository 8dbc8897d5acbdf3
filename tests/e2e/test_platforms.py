"""Two nodes on each chat platform, from the command line, against the platforms' stand-ins.

Everything goes at the platforms' own pace: the stand-ins' limits are real, and so are the nodes'.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ocft.config import find_home, save_config
from tests.e2e.people import Person, digest, end, make_file, wait_until
from tests.e2e.test_wire_1 import know_as_old
from tests.emulators.stand_ins import STAND_INS, StandIn

MIB = 1 << 20
LONG = 60.0  # seconds for what takes a dozen texts at the platforms' pace

ROOT = Path(__file__).parents[2]

MakePerson = Callable[..., Person]


@pytest.fixture(params=STAND_INS)
def stand_in(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with STAND_INS[request.param]() as stand_in:
        yield stand_in


@pytest.fixture
def make(tmp_path: Path, stand_in: StandIn) -> Iterator[MakePerson]:
    """Make people whose nodes use the stand-in."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OCFT_", "XDG_")) and not name.lower().endswith("_proxy")
    }

    def make_one(name: str, *, in_room: bool = False, **section: Any) -> Person:
        environment = plain | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
        person = Person(tmp_path / name, environment | stand_in.environment(name), stack)
        options = stand_in.section(name, in_room=in_room) | section
        home = find_home(str(person.home), {})
        home.make()
        settings = person.config.changed(
            channel=stand_in.name, channels={stand_in.name: options}, node_name=name
        )
        save_config(settings, home.config_file)
        return person

    with ExitStack() as stack:
        yield make_one


def findings(person: Person, name: str) -> list[tuple[str, str]]:
    """Return what `ocft doctor` finds out about a channel."""
    lines = person.json("doctor", "--via", name)
    return [(line["level"], line["detail"]) for line in lines if line.get("name") == "channel"]


def test_two_nodes_pair_and_send_by_attachment(
    stand_in: StandIn, make: MakePerson, tmp_path: Path
) -> None:
    alice, bob = make("alice"), make("bob")
    shown = bob.start("pair", "--name", "alice")
    assert shown.stdout is not None
    code = shown.stdout.readline().strip()
    typed = alice.start("pair", code, "--to", stand_in.address("bob"), "--name", "bob")
    for process in (typed, shown):
        _, err = process.communicate(timeout=LONG)
        assert process.returncode == 0, err
    said_in_pairing = stand_in.count()

    source = make_file(tmp_path / "quarterly-figures.pdf", 3 * MIB + 17)
    listener = bob.start("listen", "--once", "--auto-accept")
    sender = alice.start("send", str(source), "--to", "bob")
    for process in (sender, listener):
        _, err = process.communicate(timeout=LONG)
        assert process.returncode == 0, err
    (arrived,) = bob.received()
    assert (arrived.name, digest(arrived)) == (source.name, digest(source))

    said = stand_in.said()
    files = [file for message in said for file in message.files]
    data = source.read_bytes()
    assert len(files) == 1
    assert len(files[0][1]) > len(data)
    # R-BUN-5, and sealed: neither the name nor eight bytes of the file can be read by anybody.
    blocks = {data[place : place + 8] for place in range(0, len(data), 64)}
    for name, content in files:
        assert "figures" not in name
        assert b"figures" not in content
        assert not any(content[place : place + 8] in blocks for place in range(len(content)))
    assert not any("figures" in message.text for message in said)
    assert stand_in.refusals() == 0
    assert stand_in.count() - said_in_pairing <= 12
    assert {message.author for message in said} == {
        stand_in.address("alice"),
        stand_in.address("bob"),
    }


def test_the_doctor_finds_nothing_and_then_what_was_switched_off(
    stand_in: StandIn, make: MakePerson
) -> None:
    alice = make("alice")
    assert {level for level, _ in findings(alice, stand_in.name)} == {"ok"}
    remedy = stand_in.switch_off()
    (words,) = [words for level, words in findings(alice, stand_in.name) if level == "warn"]
    assert remedy in words
    assert not stand_in.said()


def test_a_file_is_posted_for_people_and_a_persons_upload_is_taken_in(
    stand_in: StandIn, make: MakePerson, tmp_path: Path
) -> None:
    alice = make("alice", in_room=True)
    file = make_file(tmp_path / "report.pdf")
    alice("post", str(file), "--text", "the figures")
    wait_until(stand_in.said)  # Slack looks at files before it shows them
    (posted,) = stand_in.said()
    assert posted.files == (("report.pdf", file.read_bytes()),)
    assert posted.text == "the figures"
    assert posted.author == stand_in.address("alice")

    bob = make("bob", in_room=True, uploads_from=[stand_in.address("ann")])
    listener = bob.start("--json", "listen", "--once", "--timeout", str(LONG))
    assert listener.stdout is not None
    listener.stdout.readline()
    stand_in.upload("holiday plans.txt", b"to the coast")
    out, err = listener.communicate(timeout=LONG)
    assert listener.returncode == 0, (out, err)
    (taken,) = bob.received()
    assert (taken.name, taken.read_bytes()) in (
        ("holiday plans.txt", b"to the coast"),
        ("holiday_plans.txt", b"to the coast"),  # as the platform stores it
    )
    assert stand_in.refusals() == 0


@pytest.fixture
def old(stand_in: StandIn, make: MakePerson, tmp_path: Path) -> Iterator[tuple[Person, Path]]:
    """Alice, and the downloads of a bot that speaks 1.0 only and knows her."""
    alice, folder = make("alice"), tmp_path / "old"
    know_as_old(alice, address=stand_in.address("bob"))
    told = {
        "adapter": stand_in.name,
        "options": stand_in.section("bob"),
        "folder": str(folder),
        "peer": {
            "id": alice.config.node_id,
            "secret": alice.config.secret,
            "address": stand_in.address("alice"),
        },
    }
    environment = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.old_node_process", json.dumps(told)],
        cwd=ROOT,
        env=environment | stand_in.environment("bob"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield alice, folder
    finally:
        end(process)


def test_a_node_of_1_0_is_served_by_text(
    stand_in: StandIn, old: tuple[Person, Path], tmp_path: Path
) -> None:
    alice, folder = old
    file = make_file(tmp_path / "note.txt", 3000)
    sender = alice.start("send", str(file), "--to", "old")
    _, err = sender.communicate(timeout=LONG)
    assert sender.returncode == 0, err
    assert [digest(path) for path in folder.glob("*.txt")] == [digest(file)]
    assert not any(message.files for message in stand_in.said())
    assert "texts" not in err  # of which there are few
    assert stand_in.refusals() == 0


def test_who_sends_much_by_text_is_told_how_long_that_takes_before_it_starts(
    stand_in: StandIn, old: tuple[Person, Path], tmp_path: Path
) -> None:
    alice, _ = old
    file = make_file(tmp_path / "film.mp4", MIB)
    sender = alice.start("send", str(file), "--to", "old")
    assert sender.stderr is not None
    lines = iter(sender.stderr.readline, "")
    warning = next(line for line in lines if "texts; that takes" in line)
    assert "minutes" in warning or "hours" in warning
    assert stand_in.count() <= 1  # not more than the offer
    sender.send_signal(signal.SIGINT)
    sender.communicate(timeout=LONG)
