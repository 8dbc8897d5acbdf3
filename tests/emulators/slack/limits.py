"""The numbers of the platform."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What Slack allows; the defaults are documented or measured by users, unless marked "ours".

    All seconds are the platform's. They are divided by `speed`, except `ack_seconds` and
    `ticket_seconds`: these measure the client's own work, which a faster server does not make
    faster.

    Attributes:
        speed: How many times faster than the platform the time of the stand-in passes.
        text_split: A longer text becomes several messages (measured).
        text_piece: Characters of each of them.
        text_cut: A longer text is cut, with a warning.
        update_text: A longer text is refused by `chat.update`.
        blocks_text: A longer sum of the texts of blocks is refused.
        channel_posts: Posts by one app in one channel that pass within `channel_post_seconds`:
            "about one a second, short bursts"; 30 to 40 quick ones were seen to pass.
        channel_post_seconds: Seconds.
        workspace_posts: Posts by one app in a minute ("several hundred").
        tier1: Calls in a minute, per method and app. Documented "1+, bursts tolerated"; 10 is ours.
        tier2: Calls in a minute.
        tier3: Calls in a minute.
        tier4: Calls in a minute.
        history_calls: Calls of `conversations.history` and `.replies` in a minute, each; 1 for apps
            that are distributed commercially outside the marketplace.
        history_page: Most messages of one such call; 15 for those apps.
        events_per_hour: More are dropped, and `app_rate_limited` is told once a minute.
        file_bytes: Longest file.
        sockets: Socket Mode connections of one app.
        socket_seconds: A connection is renewed after this time.
        socket_warning_seconds: A `warning` comes this long before.
        ticket_seconds: An unused WebSocket URL dies after this time (ours).
        ack_seconds: An envelope that is not acknowledged by then is sent again.
        retry_delays: Seconds before each repeat; after the last the event is lost.
        retry_offline_events: An event that finds no open socket is retried too. Reports
            contradict each other; the default is the worse case.
        share_seconds: A completed upload is shared this much later (the scan; ours).
    """

    speed: float = 1.0
    text_split: int = 4040
    text_piece: int = 4000
    text_cut: int = 40_000
    update_text: int = 4000
    blocks_text: int = 13_200
    channel_posts: int = 40
    channel_post_seconds: float = 40.0
    workspace_posts: int = 300
    tier1: int = 10
    tier2: int = 20
    tier3: int = 50
    tier4: int = 100
    history_calls: int = 50
    history_page: int = 999
    events_per_hour: int = 30_000
    file_bytes: int = 1 << 30
    sockets: int = 10
    socket_seconds: float = 18_060.0
    socket_warning_seconds: float = 10.0
    ticket_seconds: float = 30.0
    ack_seconds: float = 3.0
    retry_delays: tuple[float, ...] = (0.0, 60.0, 300.0)
    retry_offline_events: bool = False
    share_seconds: float = 0.2

    def real(self, seconds: float) -> float:
        """Real seconds for the platform's."""
        return seconds / self.speed
