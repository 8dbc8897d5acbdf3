"""Where a node's files are: one folder with `--home` or `OCFT_HOME`, else the system's places."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ocft.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The places of one node."""

    config_file: Path
    """The settings; it may not be there yet."""
    state_dir: Path
    """The folder of the journal, the locks and the node's keys."""
    download_dir: Path
    """Where received files go when the settings name no other folder."""
    is_default: bool
    """Whether neither `--home` nor `OCFT_HOME` chose it."""

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Return the home that has everything in one folder."""
        try:
            folder = folder.expanduser().absolute()
        except RuntimeError as error:  # ~somebody who does not exist
            raise ConfigError(f"The home {str(folder)!r} cannot be found: {error}.") from error
        return cls(
            config_file=folder / "config.json",
            state_dir=folder / "state",
            download_dir=folder / "downloads",
            is_default=False,
        )

    @property
    def journal_file(self) -> Path:
        """The database of transfers and trusted peers."""
        return self.state_dir / "journal.db"

    @property
    def identity_file(self) -> Path:
        """The node's keys, unless they are in the system's keyring."""
        return self.state_dir / "identity"

    def make(self) -> None:
        """Make the folders of the settings and of the journal, for the owner only.

        Raises:
            ConfigError: One of them cannot be made.
        """
        for folder in (self.config_file.parent, self.state_dir):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"The folder {folder} cannot be made: {error.strerror}. "
                    "Choose another place with --home or OCFT_HOME."
                ) from error


def find_home(folder: str | None, environment: Mapping[str, str]) -> Home:
    """Return the home to use: `folder`, or what OCFT_HOME says, or the system's places.

    Args:
        folder: What `--home` says; None if it says nothing.
        environment: The process's environment.

    Raises:
        ConfigError: The folder cannot be found.
    """
    if folder == "":
        raise ConfigError("--home is empty. Name a folder.")
    folder = folder or environment.get("OCFT_HOME")
    if folder:
        return Home.in_folder(Path(folder))
    import platformdirs

    try:
        users = Path.home()
    except RuntimeError as error:
        raise ConfigError(f"Name a folder with --home or OCFT_HOME: {error}") from error
    return Home(
        config_file=platformdirs.user_config_path("ocft", appauthor=False) / "config.json",
        state_dir=platformdirs.user_state_path("ocft", appauthor=False),
        # Where 1.0 nodes put them.
        download_dir=users / "Downloads" / "ocft",
        is_default=True,
    )
