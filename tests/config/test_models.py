"""`ocft.config.models`: what may be in the config file."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ocft.channels import adapter_names
from ocft.config import DEFAULT_MAX_FILE_SIZE, Config
from ocft.errors import ConfigError
from ocft.runtime import DEFAULT_MAX_FILE_SIZE as MANAGERS_DEFAULT
from ocft_discord.options import read_options as read_discord
from ocft_slack.options import read_options as read_slack
from ocft_telegram.options import read_options as read_telegram

SECRET = "a-secret-that-nobody-may-see"


def settings(**changes: Any) -> dict[str, Any]:
    return {"node_id": "ocft_me", "secret": SECRET, **changes}


def parse(**changes: Any) -> Config:
    return Config.parse(json.dumps(settings(**changes)), "config.json")


def test_only_id_and_secret_are_needed() -> None:
    config = parse()
    assert config.max_file_size == DEFAULT_MAX_FILE_SIZE
    assert config.secret_ttl_hours is None
    assert config.channel == "local"
    assert config.auto_accept is False


def test_the_largest_file_is_the_managers_default() -> None:
    assert DEFAULT_MAX_FILE_SIZE == MANAGERS_DEFAULT


def test_example_file_shows_the_defaults_and_a_section_for_each_adapter() -> None:
    example = json.loads((Path(__file__).parents[2] / "config.example.json").read_text())
    shown = Config.make({**settings(), **{k: v for k, v in example.items() if k != "created_at"}})
    assert set(example) == set(Config.model_fields)
    assert set(example["direct"]) == set(type(shown.direct).model_fields)
    assert set(example["direct"]["webrtc"]) == set(type(shown.direct.webrtc).model_fields)
    for name, field in Config.model_fields.items():
        if name not in {"node_id", "secret", "created_at", "channels"}:
            assert getattr(shown, name) == field.get_default(call_default_factory=True), name
    assert sorted(example["channels"]) == adapter_names()


@pytest.mark.parametrize("adapter", ["discord", "slack", "telegram"])
def test_adapters_take_their_sections_of_the_example_file(adapter: str) -> None:
    text = (Path(__file__).parents[2] / "config.example.json").read_text()
    example = Config.parse(text, "config.example.json")
    section = example.section_of(adapter)
    assert section.peers
    for name, account in section.peers.items():
        assert account
        assert example.channel_of(name) == adapter
    read = {
        "discord": read_discord,
        "slack": read_slack,
        "telegram": read_telegram,
    }[adapter]
    options: BaseModel = read(section.options)
    assert options.model_fields_set == set(section.options)
    tokens = [value for name, value in section.options.items() if name.endswith("token")]
    assert tokens
    assert all(re.fullmatch(r"(env|keyring):[\w/]+", str(token)) for token in tokens)


def test_a_file_read_and_written_again_says_the_same() -> None:
    config = parse(
        secret_ttl_hours=1.5, download_dir="/d", channels={"local": {"poll": True, "n": None}}
    )
    assert Config.parse(config.model_dump_json(), "x") == config


def test_an_unknown_setting_is_named_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="'downlod_dir' is no setting") as caught:
        parse(downlod_dir="/x")
    assert "download_dir" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("node_id", ""),
        ("node_id", "a\x1b[1A"),
        ("node_id", 7),
        ("node_id", "x" * 257),
        ("secret", ""),
        ("secret", None),
        ("secret_ttl_hours", 0),
        ("secret_ttl_hours", -1),
        ("secret_ttl_hours", float("nan")),
        ("secret_ttl_hours", float("inf")),
        ("secret_ttl_hours", "48"),
        ("created_at", "yesterday"),
        ("created_at", "2026-11-21T02:11:28"),
        ("download_dir", ""),
        ("download_dir", "relative/folder"),
        ("max_file_size", 0),
        ("max_file_size", 2**63),
        ("max_file_size", "100MB"),
        ("max_file_size", True),
        ("previous_secret", ""),
        ("previous_secret", "x" * 1025),
        ("previous_secret_until", "2026-11-21T02:11:28"),
        ("allow_wire_1", "no"),
        ("keyring", None),
        ("node_name", ""),
        ("node_name", "a\x1b[1A"),
        ("node_name", "x" * 65),
        ("auto_accept", "yes"),
        ("auto_accept", 1),
        ("channel", ""),
        ("channels", []),
        ("channels", {"local": 3}),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_kept_back(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(**{name: value})
    assert name in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("missing", ["node_id", "secret"])
def test_a_missing_setting_is_named(missing: str) -> None:
    content = settings()
    del content[missing]
    with pytest.raises(ConfigError, match=f"'{missing}' is missing"):
        Config.parse(json.dumps(content), "config.json")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', '{"secret": "a-secret-that', "[" * 100_000, b"\xff\xfe"],
    ids=["empty", "cut", "list", "null", "text", "cut-secret", "deep", "no-utf-8"],
)
def test_damaged_text_is_a_stated_error(text: str | bytes) -> None:
    with pytest.raises(ConfigError, match="the-file") as caught:
        Config.parse(text, "the-file")
    assert "a-secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [[SECRET], SECRET * 100], ids=["K13-list", "K13-too-long"])
def test_a_secret_is_in_no_repr_error_or_cause(wrong: object) -> None:
    config = parse()
    assert SECRET not in repr(config)
    assert SECRET not in str(config)
    with pytest.raises(ConfigError) as caught:
        config.changed(secret=wrong)
    error = caught.value
    assert SECRET not in f"{error!r} {error} {error.__cause__!r}"
    assert error.__suppress_context__  # tracebacks leave out the error that knows it


def test_the_former_secret_counts_until_its_moment() -> None:
    until = datetime(2026, 11, 22, tzinfo=UTC)
    config = parse(previous_secret="former", previous_secret_until=until.isoformat())
    assert config.secrets_at(until.timestamp() - 1) == (SECRET, "former")
    assert config.secrets_at(until.timestamp()) == (SECRET,)
    assert parse().secrets_at(0.0) == (SECRET,)
    assert parse(previous_secret="former").secrets_at(0.0) == (SECRET,)
    assert "former" not in repr(config)
    assert Config.parse(config.model_dump_json(), "x") == config


def test_changing_a_setting_leaves_the_others() -> None:
    config = parse(max_file_size=5)
    assert config.changed(auto_accept=True) == parse(
        max_file_size=5, auto_accept=True, created_at=config.created_at.isoformat()
    )


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_json_for_any_setting_is_taken_or_refused_by_name(value: Any) -> None:
    for name in Config.model_fields:
        try:
            parse(**{name: value})
        except ConfigError as error:
            message = str(error)
        else:
            continue
        assert name in message or "damaged" in message


@pytest.mark.parametrize("wrong", [["example.org"], [""], [], ["10.0.0.1/24"], "10.0.0.1"])
def test_the_direct_route_takes_addresses_only(wrong: object) -> None:
    with pytest.raises(ConfigError, match="direct"):
        Config.make({**settings(), "direct": {"enabled": True, "addresses": wrong}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"stun": "turn:example.org"},
        {"stun": "https://example.org"},
        {"stun": ["stun:example.org"]},
        {"turn": "turn:example.org"},
        {"turn": {"url": "stun:example.org", "username": "me"}},
        {"turn": {"url": "turn:me:hunter2@example.org", "username": "me"}},
        {"turn": {"url": "turn:example.org"}},
        {"turn": {"url": "turn:example.org", "username": "", "password": "env:X"}},
        {"ice_servers": []},
    ],
)
def test_webrtc_takes_its_servers_only_and_shows_no_password(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"direct\.webrtc") as caught:
        Config.make({**settings(), "direct": {"webrtc": {"enabled": True, **wrong}}})
    assert "hunter2" not in str(caught.value)


def test_webrtc_asks_nobody_unless_it_is_told_to() -> None:
    webrtc = parse(direct={"enabled": True, "webrtc": {"enabled": True}}).direct.webrtc
    assert (webrtc.stun, webrtc.turn) == (None, None)
    turn = {"url": "turn:example.org", "username": "me"}
    webrtc = parse(direct={"webrtc": {"stun": "stun:example.org", "turn": turn}}).direct.webrtc
    assert webrtc.turn is not None
    assert webrtc.turn.password == "env:OCFT_TURN_PASSWORD"
