"""A bot on two platforms: files that arrive on one are sent on to a node on the other.

    python examples/bridge_bot.py bridge.json

The file has a section for each of the two, as here; `ocft doctor --via telegram` tells the ids:

    {"telegram": {"peer": "222", "options": {"meet": ["@alice_bot"]}},
     "slack": {"peer": "U222", "options": {"channel": "C0123456789"}}}

"peer" is the other node's account there, "options" what a config.json has in `channels`. With
"uploads_from": ["333"] beside them, what these people upload is sent on, too. The environment has
the tokens, and OCFT_SECRET (what all owners agreed on).
"""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from ocft import Direction, TransferManager, TransferState, TrustedPeer
from ocft.channels import find_adapter

SECRET = os.environ["OCFT_SECRET"]


async def join(platform: str, section: dict[str, Any], opened: AsyncExitStack) -> TransferManager:
    """Open a channel, and a node on it."""
    channel = await find_adapter(platform).open("", section["options"])
    await opened.enter_async_context(channel)
    node = TransferManager(
        channel=channel,
        secret=SECRET,
        trusted_peers=[TrustedPeer(id=section["peer"], secret=SECRET)],
        auto_accept=True,
        uploads_from=section.get("uploads_from", ()),
        download_dir=f"inbox-{platform}",
    )
    return await opened.enter_async_context(node)


async def carry(here: TransferManager, there: TransferManager, peer: str) -> None:
    """Send on all that has arrived and was not sent on yet, also before the last restart."""
    news = asyncio.Event()
    here.on("transfer-completed", lambda _: news.set())
    while True:
        news.clear()
        sent = {one.local_path for one in there.list_transfers() if one.direction is Direction.SEND}
        for one in here.list_transfers():
            has_come = one.direction is Direction.RECEIVE and one.state is TransferState.COMPLETED
            # Several things that came at once have no path of their own: they stay here.
            is_one = one.local_path is not None and Path(one.local_path) != here.download_dir
            if has_come and is_one and one.local_path not in sent:
                print("carried:", one.local_path, flush=True)
                await there.send_file(peer, str(one.local_path))
        await news.wait()


async def main(sections: dict[str, dict[str, Any]]) -> None:
    """Run until Ctrl-C."""
    async with AsyncExitStack() as opened:
        one, other = [await join(name, section, opened) for name, section in sections.items()]
        peer_of_one, peer_of_other = [section["peer"] for section in sections.values()]
        print("ready:", " and ".join(sections), flush=True)
        await asyncio.gather(carry(one, other, peer_of_other), carry(other, one, peer_of_one))


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
