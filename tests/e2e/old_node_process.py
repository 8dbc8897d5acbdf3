"""A bot whose node speaks wire 1.0 only, on any channel: it takes what it is sent, until killed.

Started by `test_platforms.py`, with what it needs to know as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from ocft import TransferManager, TrustedPeer
from ocft.channels import find_adapter
from ocft.config import Config

OLD = Config(node_id="ocft_old", secret="secret of old")


async def _run(told: dict[str, Any]) -> None:
    async with (
        await find_adapter(told["adapter"]).open(OLD.node_id, told["options"]) as channel,
        TransferManager(
            wires=("1.0",),
            bot_id=OLD.node_id,
            secret=OLD.secret,
            download_dir=Path(told["folder"]),
            channel=channel,
            trusted_peers=[TrustedPeer(**told["peer"])],
        ),
    ):
        print("ready", flush=True)  # noqa: T201 - a program
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.argv[1])))
