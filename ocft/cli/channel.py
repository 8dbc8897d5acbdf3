"""Opens the node's channel and a manager for it, from the settings."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocft.cli.invocation import Invocation
from ocft.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ocft.config import Config, Home, WebRtcSection
    from ocft.routes import WebRtcOptions
    from ocft.runtime import DirectOptions, Sharing, TransferManager


_LONGEST_NAME: Final = 64  # characters, as in a pairing (protocol 2.7)


def open_sharing(
    invocation: Invocation, channel: str | None, *, auto_accept: bool = False
) -> "Sharing":
    """Return the channel as something to share with other processes; it is not opened yet.

    Args:
        invocation: The run of the command.
        channel: Its name; None: the one in the settings.
        auto_accept: Whether trusted peers may send without asking, whatever the settings say.

    Raises:
        UnknownAdapterError: There is no such channel.
    """
    from datetime import timedelta

    from ocft.channels import find_adapter
    from ocft.runtime import Sharing, TransferManager

    config, home = invocation.config, invocation.home
    adapter = find_adapter(channel or config.channel)
    ttl_hours = config.secret_ttl_hours

    @asynccontextmanager
    async def open_manager(sends_only: bool) -> "AsyncGenerator[TransferManager, None]":  # noqa: FBT001 - as `OpenManager` says
        section = config.section_of(adapter.name)
        async with await adapter.open(config.node_id, section.options) as opened:
            manager = TransferManager(
                bot_id=config.node_id,
                secret=config.secret,
                secrets=invocation.secrets_at,
                identity=invocation.identity,
                node_name=config.node_name or _machine_name(),
                wires=("1.0", "2") if config.allow_wire_1 else ("2",),
                download_dir=download_dir(config, home),
                channel=opened,
                secret_ttl=None if ttl_hours is None else timedelta(hours=ttl_hours),
                auto_accept=auto_accept or config.auto_accept,
                trusted_peers=invocation.peers,
                max_file_size=invocation.max_file_size_now,
                state_dir=home.state_dir,
                shares_journal=True,
                sends_only=sends_only,
                addresses=_by_id(section.peers, invocation),
                uploads_from=section.uploads_from,
                direct=_direct(config),
            )
            try:
                yield manager
            finally:
                await manager.close()

    return Sharing(
        invocation.journal,
        state_dir=home.state_dir,
        channel=adapter.name,
        open_manager=open_manager,
    )


def _direct(config: "Config") -> "DirectOptions | None":
    """Return how files go around the channel.

    Raises:
        ConfigError: The password of the TURN server is not where the settings say.
    """
    from ocft.runtime import DirectOptions

    section = config.direct
    if not section.enabled:
        return None
    addresses = None if section.addresses is None else tuple(section.addresses)
    return DirectOptions(
        listens=section.listens,
        connects=section.connects,
        addresses=addresses,
        port=section.port,
        webrtc=webrtc_options(section.webrtc),
    )


def webrtc_options(section: "WebRtcSection") -> "WebRtcOptions | None":
    """Return what the settings say about WebRTC; None: it is not tried.

    Raises:
        ConfigError: The password of the TURN server is not where the settings say.
    """
    from ocft.channels import find_credential
    from ocft.routes import TurnServer, WebRtcOptions

    if not section.enabled:
        return None
    turn = None
    if (server := section.turn) is not None:
        reference = {"password": server.password}
        password = find_credential(reference, "password", variable="OCFT_TURN_PASSWORD")
        turn = TurnServer(server.url, server.username, password)
    return WebRtcOptions(stun=section.stun, turn=turn)


def _by_id(addresses: "Mapping[str, str]", invocation: Invocation) -> dict[str, str]:
    """Return addresses by the ids of peers; the settings may have their names."""
    ids = {peer.name: peer.id for peer in invocation.peers.all() if peer.name is not None}
    return {ids.get(peer, peer): address for peer, address in addresses.items()}


def _machine_name() -> str:
    import platform

    return "".join(filter(str.isprintable, platform.node()))[:_LONGEST_NAME]


def download_dir(config: "Config", home: "Home") -> Path:
    """Return where received files go.

    Raises:
        ConfigError: The settings name a folder of somebody who does not exist.
    """
    if config.download_dir is None:
        return home.download_dir
    try:
        return Path(config.download_dir).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"download_dir {config.download_dir!r}: {error}") from error
