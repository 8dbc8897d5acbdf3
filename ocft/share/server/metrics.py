"""What a server tells about itself, as Prometheus reads it; no ids, no addresses."""

from collections import Counter

from ocft.share.server.service import Sessions


class Metrics:
    """Counts answers, and writes everything down.

    Args:
        sessions: The server's.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._answers: Counter[int] = Counter()
        self.under_way = 0
        """Requests that are being answered."""

    def answered(self, status: int) -> None:
        """Count an answer."""
        self._answers[status] += 1

    def text(self) -> str:
        """Return all numbers in the text format 0.0.4."""
        sessions = self._sessions
        lines: list[str] = []

        def add(name: str, kind: str, words: str, values: dict[str, int]) -> None:
            lines.extend([f"# HELP ocft_{name} {words}", f"# TYPE ocft_{name} {kind}"])
            lines.extend(f"ocft_{name}{labels} {value}" for labels, value in values.items())

        ready = sum(session.is_ready for session in sessions)
        states = {'{state="ready"}': ready, '{state="waiting"}': sessions.count - ready}
        add("sessions", "gauge", "Sessions that are not over.", states)
        add("stored_bytes", "gauge", "Sealed bytes kept.", {"": sessions.room.used})
        add("requests_under_way", "gauge", "Requests being answered.", {"": self.under_way})
        counts = sessions.counts
        add("sessions_made_total", "counter", "Sessions made.", {"": counts["made"]})
        add("sessions_ended_total", "counter", "Sessions ended.", {"": counts["ended"]})
        add("receivers_total", "counter", "Receivers let in.", {"": counts["joined"]})
        ends = {'{receipt="ok"}': counts["done"], '{receipt="none"}': counts["failed"]}
        add("downloads_total", "counter", "Downloads that are over.", ends)
        add("received_bytes_total", "counter", "Sealed bytes taken.", {"": sessions.bytes_in})
        add("sent_bytes_total", "counter", "Sealed bytes sent.", {"": sessions.bytes_out})
        answers = {f'{{status="{one}"}}': self._answers[one] for one in sorted(self._answers)}
        add("answers_total", "counter", "Answers by their status.", answers)
        return "\n".join([*lines, ""])
