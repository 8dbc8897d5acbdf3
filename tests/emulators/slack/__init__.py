"""A stand-in for Slack: Web API, Socket Mode, files.

    async with SlackServer(limits=Limits(speed=50)) as server:
        alice, bob = server.app("alice"), server.app("bob")
        room = server.channel("exchange", members=[alice, bob])
        web_client = AsyncWebClient(token=alice.bot_token, base_url=server.api_url)
        socket_client = SocketModeClient(app_token=alice.app_token, web_client=web_client)

"Behaviour 1" to "behaviour 12" in the modules are:

1. several apps, events for all of them, the sender among them;
2. emoji in colon form, escaping, links, splitting, cutting;
3. messages of bots without a subtype; copies by `message_changed` and `message_deleted`;
4. Socket Mode: URLs that work once, one connection per payload, repeats, `disconnect`, cuts;
5. shuffled, doubled and lost events;
6. history and replies, with pages, ranges and stripped metadata;
7. 429 with Retry-After, per app and channel, by bursts;
8. answers that are lost or late though the call was applied;
9. uploads in three steps;
10. downloads that end in a sign-in page or on another host; incomplete `files` in events;
11. refusals;
12. arguments as JSON, form or query string.

Known to be guessed, because it is not documented: which `ts` a split post answers, errors of a
second completion, that Range is ignored, the exact size of bursts.
"""

from tests.emulators.slack.counters import Counters
from tests.emulators.slack.faults import Fault, Faults
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.server import SlackServer
from tests.emulators.slack.world import App, Channel, Message, Person

__all__ = [
    "App",
    "Channel",
    "Counters",
    "Fault",
    "Faults",
    "Limits",
    "Message",
    "Person",
    "SlackServer",
]
