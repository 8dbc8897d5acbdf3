"""A connection of OCFT's own: a bot of the SDK, whose token stays out of the log."""

from typing import Final, Self

from telegram import Bot
from telegram.error import TelegramError
from telegram.request import BaseRequest, HTTPXRequest

from ocft_telegram.calls import TIMES, certificates
from ocft_telegram.failures import cause_of, failure_of
from ocft_telegram.options import TelegramOptions
from ocft_telegram.token_filter import TokenFilter

_CONNECTIONS: Final = 16
_POLLS: Final = 4  # one; a cancelled one may still be on its way out


class Connection:
    """A bot that is ours alone; made by `open`.

    Args:
        bot: The bot.
        polls: What its polls go through.
        token_filter: What is put into the loggers while it is open.
    """

    def __init__(self, bot: Bot, polls: BaseRequest, token_filter: TokenFilter) -> None:
        self.bot = bot
        self.polls = polls
        self._filter = token_filter

    @classmethod
    async def open(cls, options: TelegramOptions, token: str) -> Self:
        """Log in.

        Args:
            options: The settings.
            token: The bot's token.

        Raises:
            ChannelError: The token is not good, or there is no connection.
        """
        token_filter = TokenFilter(token, hides_noise=True)
        token_filter.put_in()  # before the SDK makes its first note
        tls = {"verify": certificates()}
        polls = HTTPXRequest(connection_pool_size=_POLLS, httpx_kwargs=tls, **TIMES)
        bot = Bot(
            token,
            base_url=f"{options.api_url}/bot",
            base_file_url=f"{options.api_url}/file/bot",
            request=HTTPXRequest(connection_pool_size=_CONNECTIONS, httpx_kwargs=tls, **TIMES),
            get_updates_request=polls,
        )
        connection = cls(bot, polls, token_filter)
        try:
            await bot.initialize()
        except BaseException as error:
            await connection.close()
            if not isinstance(error, TelegramError):
                raise
            raise failure_of(error, token, posts=False) from cause_of(error, token)
        return connection

    async def close(self) -> None:
        """Close all connections; twice is fine."""
        await self.bot.shutdown()
        self._filter.take_out()
