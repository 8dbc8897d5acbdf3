"""A node's settings: where they are, what may be in them, and how they are read and written."""

from ocft.config.home import Home, find_home
from ocft.config.import_1_0 import Imported, legacy_config_file, take_over_1_0
from ocft.config.models import DEFAULT_MAX_FILE_SIZE, Config, WebRtcSection
from ocft.config.store import load_config, save_config

__all__ = [
    "DEFAULT_MAX_FILE_SIZE",
    "Config",
    "Home",
    "Imported",
    "WebRtcSection",
    "find_home",
    "legacy_config_file",
    "load_config",
    "save_config",
    "take_over_1_0",
]
