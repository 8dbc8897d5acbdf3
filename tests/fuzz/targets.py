# Whatever the bytes are: a decoder returns, or raises its one documented error (on the wire
# MalformedMessageError, for peer URIs ConfigError), and nothing else; and what it returned is
# written again as the very bytes that came, because the wire has one way to say a thing (R-FRM-2).
# Adapters undo what a platform does to a text, and raise nothing.
"""One function a decoder of the wire, or an adapter's texts: it takes any bytes, and raises if not.

`run.py` looks for bytes that break it; `test_corpus.py` replays what was found and the seeds.
"""

import io
import json
import unicodedata
from collections.abc import Callable

from ocft.errors import ConfigError, MalformedMessageError
from ocft.wire import (
    MARKER,
    MAX_ACK,
    MAX_DATA,
    MAX_FRAME,
    MAX_WHOLE,
    Alphabet,
    Assembler,
    BundleNote,
    ControlFrame,
    Fragment,
    FrameType,
    Message,
    SealedFrame,
    bundled_frames,
    decode,
    decode_cbor,
    encode,
    encode_cbor,
    encode_frame,
    format_peer_uri,
    pack_ack,
    pack_bundle_note,
    pack_control,
    pack_data,
    pack_handshake,
    pack_introduction,
    pack_manifest,
    parse_frame,
    parse_peer_uri,
    unpack_ack,
    unpack_control,
    unpack_data,
    unpack_introduction,
    unpack_manifest,
    write_bundled,
)
from ocft.wire.varints import pack_varint
from ocft_discord import text as discord_text
from ocft_discord.read_mark import REMEMBERED, ReadMark
from ocft_slack import text as slack_text
from ocft_slack.messages import Heard, Room, moment, stamp
from ocft_telegram import text as telegram_text

BOT = "bob_bot"
BOT_ID = 123456789
SLACK_ROOM = Room(channel="C0123", thread=None, user_id="U0001", bot_id="B0001")
SLACK_THREAD = Room(channel="C0123", thread="1700000000.000001", user_id="U0001", bot_id=None)


def text(data: bytes) -> None:
    """A text as a platform delivers it."""
    try:
        found = decode(data.decode("utf-8", "surrogatepass"))
    except (MalformedMessageError, UnicodeDecodeError):
        return
    for one in found:
        if isinstance(one, Message):
            # Not the same text: wire 1.0 has many ways to say a thing, and null is nothing in it.
            (again,) = decode(encode(one))
            assert isinstance(again, Message)
            assert encode(again) == encode(one)
        else:
            for alphabet in Alphabet:
                assert decode(encode_frame(one, alphabet)) == (one,)


def frames(data: bytes) -> None:
    """A frame of any type."""
    try:
        frame = parse_frame(data)
    except MalformedMessageError:
        return
    if isinstance(frame, SealedFrame | ControlFrame):
        assert frame.header + frame.sealed == data
    elif isinstance(frame, Fragment):
        place = pack_varint(frame.index) + pack_varint(frame.count)
        assert bytes([FrameType.FRAGMENT]) + frame.id + place + frame.piece == data
    elif isinstance(frame, BundleNote):
        assert pack_bundle_note(frame) == data
    else:
        assert pack_handshake(frame) == data


def bundles(data: bytes) -> None:
    """A native file with frames in it, and what is said beside it."""
    frames(bytes([FrameType.BUNDLE]) + data)
    again = io.BytesIO()
    try:
        for frame in bundled_frames(io.BytesIO(data)):
            assert 0 < len(frame) <= MAX_FRAME
            write_bundled(again, frame)
    except MalformedMessageError:
        assert data.startswith(again.getvalue())  # what came before the fault was read well
        assert data != again.getvalue()
    else:
        assert again.getvalue() == data


def handshake(data: bytes) -> None:
    """The map of each handshake frame."""
    for frame_type in (FrameType.HELLO, FrameType.REPLY, FrameType.FINISH, FrameType.PAIR):
        frames(bytes([frame_type]) + data)


def cbor(data: bytes) -> None:
    """Canonical CBOR of anything."""
    try:
        value = decode_cbor(data, max_bytes=100_000, max_items=1000)
    except MalformedMessageError:
        return
    assert encode_cbor(value) == data


def control(data: bytes) -> None:
    """An opened CONTROL frame."""
    try:
        message = unpack_control(data)
    except MalformedMessageError:
        return
    assert pack_control(message) == data


def introduction(data: bytes) -> None:
    """What the two sides of a pairing seal."""
    try:
        one = unpack_introduction(data)
    except MalformedMessageError:
        return
    assert pack_introduction(one) == data


def manifest(data: bytes) -> None:
    """The first bytes of a byte space."""
    try:
        files = unpack_manifest(data)
    except MalformedMessageError:
        return
    assert pack_manifest(files) == data
    assert len(files.offsets()) == len(files.files)


def ack(data: bytes) -> None:
    """An opened ACK frame."""
    try:
        one = unpack_ack(data)
    except MalformedMessageError:
        return
    assert pack_ack(one, room=MAX_ACK) == data


def data(data: bytes) -> None:
    """An opened DATA frame; compressed bytes have many forms."""
    try:
        one = unpack_data(data)
    except MalformedMessageError:
        return
    assert len(one.data) <= MAX_DATA
    if not data[0] & 1:
        assert pack_data(one, compress=False) == data
    assert unpack_data(pack_data(one, compress=True)) == one


def fragments(data: bytes) -> None:
    """Fragments in a row: a byte for the author, one for the seconds, one for the length."""
    assembler = Assembler()
    now = 0.0
    while len(data) >= 3:
        author, seconds, length = data[0], data[1], data[2]
        piece, data = data[3 : 3 + length], data[3 + length :]
        now += seconds
        try:
            fragment = parse_frame(bytes([FrameType.FRAGMENT]) + piece)
            assert isinstance(fragment, Fragment)
            whole = assembler.add(f"{author % 20}", fragment, now)
        except MalformedMessageError:
            continue
        assert whole is None or 1 < len(whole) <= MAX_WHOLE


def cjk15(data: bytes) -> None:
    """The letters of the dense alphabet, as UTF-16 and as UTF-8; and any bytes as letters."""
    assert Alphabet.CJK15.decode(Alphabet.CJK15.encode(data)) == data
    for encoding in ("utf-16-le", "utf-8"):
        letters = data.decode(encoding, "replace")
        try:
            decoded = Alphabet.CJK15.decode(letters)
        except MalformedMessageError:
            continue
        again = Alphabet.CJK15.encode(decoded)
        assert again in (letters, unicodedata.normalize("NFC", letters))


def base64url(data: bytes) -> None:
    """The letters of the other alphabet; and any bytes as letters."""
    assert Alphabet.BASE64URL.decode(Alphabet.BASE64URL.encode(data)) == data
    letters = data.decode("utf-8", "replace")
    try:
        decoded = Alphabet.BASE64URL.decode(letters)
    except MalformedMessageError:
        return
    assert Alphabet.BASE64URL.encode(decoded) == letters


def peer_uri(data: bytes) -> None:
    """An address as people paste it, and the JSON in it; spelled in many ways."""
    pasted = data.decode("utf-8", "replace")
    for uri in (pasted, "ocft://" + Alphabet.BASE64URL.encode(data)):
        try:
            address = parse_peer_uri(uri)
        except ConfigError:
            continue
        assert parse_peer_uri(format_peer_uri(address)) == address


def telegram(data: bytes) -> None:
    """A text in a group, addressed to a bot or not; what is there instead of a name."""
    said = data.decode("utf-8", "replace")
    assert telegram_text.without_prefix(telegram_text.prefix_for(BOT) + said) == said
    assert said.endswith(telegram_text.without_prefix(said))
    assert telegram_text.looks_like_ocft(telegram_text.prefix_for(BOT) + MARKER + said)
    if telegram_text.looks_like_ocft(said):
        assert MARKER in said
    if telegram_text.is_username(said):
        name = said.removeprefix("@")
        assert len(telegram_text.prefix_for(name)) <= telegram_text.LONGEST_PREFIX
        assert telegram_text.without_prefix(telegram_text.prefix_for(name) + "x") == "x"


def discord(data: bytes) -> None:
    """A text that mentions somebody or not; a mark of how far was read."""
    said = data.decode("utf-8", "replace")
    mentioned = discord_text.mention(str(BOT_ID)) + said
    assert discord_text.without_mention(mentioned, BOT_ID) == said.lstrip()
    assert said.endswith(discord_text.without_mention(said, BOT_ID))
    assert discord_text.looks_like_ocft(discord_text.mention(str(BOT_ID)) + MARKER + said)
    if discord_text.is_user_id(said):
        assert len(discord_text.mention(said)) <= discord_text.MAX_PREFIX
    if (mark := ReadMark.parse(said)) is not None:
        assert len(str(mark).split()) <= 1 + REMEMBERED
        assert str(ReadMark.parse(str(mark))) == str(mark)


def slack(data: bytes) -> None:
    """A text as it is posted and comes back; a message as events and the history tell it."""
    said = data.decode("utf-8", "replace")
    # Where people wrote the emoji's name, it comes back as the emoji: both mean a text of ours.
    assert slack_text.from_slack(slack_text.to_slack(said)) == said.replace(
        ":link:OCFT:", slack_text.MARKER
    )
    assert slack_text.looks_like_ocft(slack_text.from_slack(":link:OCFT:" + said))
    slack_text.fits_one_post(said)
    if (at := moment(said)) is not None:
        assert moment(stamp(at)) == at
    try:
        message = json.loads(said)
    except (ValueError, RecursionError):
        return
    for room in (SLACK_ROOM, SLACK_THREAD):
        for is_event in (True, False):
            heard = room.read(message, is_event=is_event)
            assert isinstance(heard, str) or heard.author not in ("", room.user_id)
            if isinstance(heard, Heard):
                assert len(heard.files) <= len(message.get("files") or [])


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        text,
        frames,
        bundles,
        handshake,
        cbor,
        control,
        introduction,
        manifest,
        ack,
        data,
        fragments,
        cjk15,
        base64url,
        peer_uri,
        telegram,
        discord,
        slack,
    )
}
