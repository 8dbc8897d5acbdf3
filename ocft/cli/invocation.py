"""What one run of a command works with: its options, and the node's settings, keys and journal."""

import logging
import os
import re
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

import typer

from ocft.cli.output import Output
from ocft.errors import ConfigError

if TYPE_CHECKING:
    from ocft.config import Config, Home
    from ocft.crypto import Identity
    from ocft.ids import NodeId
    from ocft.storage import (
        ApprovalStore,
        Database,
        Journal,
        NodeStore,
        PeerStore,
        SessionStore,
    )

_log = logging.getLogger(__name__)


class Invocation:
    """One run of a command; what it opens is closed when the command has ended.

    Args:
        home: What `--home` says.
        output: Where the command writes.
    """

    def __init__(self, *, home: str | None, output: Output) -> None:
        self.output = output
        self._home_option = home
        self._config: Config | None = None
        self._fresh_config: Config | None = None
        self._fresh_since: tuple[int, ...] = ()
        self._open = ExitStack()

    @classmethod
    def of(cls, context: typer.Context) -> "Invocation":
        """Return the invocation that a command belongs to."""
        invocation = context.obj
        if isinstance(invocation, cls):
            return invocation
        raise AssertionError("the application's callback has not run")

    @staticmethod
    def command_of(context: typer.Context) -> str:
        """Return the command as it was typed: some have an older spelling, too."""
        return context.command_path.removeprefix("ocft ")

    @cached_property
    def home(self) -> "Home":
        """The node's places."""
        from ocft.config import find_home

        return find_home(self._home_option, os.environ)

    @property
    def config(self) -> "Config":
        """The node's settings.

        Raises:
            NotInitializedError: There is no node in this home.
            ConfigError: The settings cannot be used.
        """
        if self._config is None:
            from ocft.config import load_config

            self.take_over_1_0()
            self._config = load_config(self.home.config_file)
        return self._config

    def secrets_at(self, now: float) -> tuple[str, ...]:
        """Return the secrets that count at a moment, by what the config file says now.

        `ocft rotate-secret` holds at once, for a process that listens already, too.

        Args:
            now: Seconds since the epoch.
        """
        return self._config_now().secrets_at(now)

    def max_file_size_now(self) -> int:
        """Return the bytes of the largest transfer that is taken, by what the config file says now.

        `ocft set-max-size` holds at once, for a process that listens already, too.
        """
        return self._config_now().max_file_size

    def _config_now(self) -> "Config":
        """Return the settings as another process may have written them meanwhile."""
        from ocft.config import load_config

        if (change := self._last_change()) != self._fresh_since:
            self._fresh_since = change
            try:
                self._fresh_config = load_config(self.home.config_file)
            except ConfigError as error:  # somebody edits it; the last good one counts
                _log.warning("%s", error)
        return self._fresh_config or self.config

    def change_config(self, **changes: object) -> None:
        """Change some settings and write them all.

        Raises:
            ConfigError: A value is not allowed.
        """
        self.save_config(self.config.changed(**changes))

    def save_config(self, config: "Config") -> None:
        """Write the settings."""
        from ocft.config import save_config

        self.home.make()
        save_config(config, self.home.config_file)
        self._config = config

    def take_over_1_0(self) -> None:
        """Take over the node of a 1.0 installation, if there is one and none of ours."""
        from ocft.config import legacy_config_file, take_over_1_0

        origin = legacy_config_file(self.home)
        if origin is not None:
            imported = take_over_1_0(self.home, origin)
            self.output.say(
                f"Took over the 1.0 node {imported.config.node_id} and its trusted peers"
                f" ({len(imported.peers)}) from {origin}, which stays as it was."
            )

    @cached_property
    def identity(self) -> "Identity":
        """The node's keys; a node from before wire 2 gets them now.

        Raises:
            NotInitializedError: There is no node in this home.
            ConfigError: They cannot be used.
        """
        from ocft.cli.identity import open_identity

        config = self.config
        self.home.make()
        return open_identity(config, self.home)

    @property
    def fingerprint(self) -> str:
        """The node's fingerprint as people compare it."""
        from ocft.crypto import format_fingerprint

        return format_fingerprint(self.identity.public.fingerprint)

    @cached_property
    def database(self) -> "Database":
        """The journal's file, open.

        Raises:
            NotInitializedError: There is no node in this home.
            JournalError: It cannot be opened.
        """
        from ocft.storage import Database

        self.config  # noqa: B018 - no node, no journal
        self.home.make()
        return self._open.enter_context(Database(self.home.journal_file))

    @cached_property
    def journal(self) -> "Journal":
        """The node's transfers."""
        from ocft.storage import Journal

        return Journal(self.database)

    @cached_property
    def peers(self) -> "PeerStore":
        """The node's trusted peers."""
        from ocft.storage import PeerStore

        return PeerStore(self.database)

    @cached_property
    def nodes(self) -> "NodeStore":
        """What was learnt about other nodes."""
        from ocft.storage import NodeStore

        return NodeStore(self.database)

    @cached_property
    def sessions(self) -> "SessionStore":
        """The keys that this node shares with its peers."""
        from ocft.storage import SessionStore

        return SessionStore(self.database, self.identity.storage_key())

    @cached_property
    def approvals(self) -> "ApprovalStore":
        """The nodes that ask to be trusted."""
        from ocft.storage import ApprovalStore

        return ApprovalStore(self.database)

    def with_names(self, text: str) -> str:
        """Put what the user calls the peers for their ids in a text of the library."""
        names = {peer.id: peer.name for peer in self.peers.all() if peer.name}
        if not names:
            return text
        # The longest first: an id may be the beginning of another one.
        ids = "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True))
        return re.sub(rf"(?<!\w)(?:{ids})(?!\w)", lambda match: names[match[0]], text)

    def forget_keys(self, node_id: "NodeId") -> None:
        """Forget the keys that are shared with a node, and what was learnt about it."""
        from ocft.storage import SessionStore

        # Without our keys: nothing is opened, and it has to work when the keyring is locked.
        SessionStore(self.database, b"").forget(node_id)
        self.nodes.forget(node_id)

    def _last_change(self) -> tuple[int, ...]:
        """Return numbers that are others after the config file was written again."""
        try:
            status = self.home.config_file.stat()
        except OSError:
            return ()
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def close(self) -> None:
        """Close what was opened."""
        self._open.close()
