"""The world behind the API: who exists, who sits where, what was said."""

from collections import Counter
from pathlib import Path
from typing import Any

from tests.emulators.telegram.counters import Counters
from tests.emulators.telegram.files import FileStore
from tests.emulators.telegram.hearing import why_deaf
from tests.emulators.telegram.limits import Clock, Limits
from tests.emulators.telegram.pacing import Pacing
from tests.emulators.telegram.things import Bot, Member, Message, Person, Room, new_token
from tests.emulators.telegram.updates import UpdateQueue


class World:
    """Accounts, rooms and messages; its methods are what a test scripts.

    Args:
        limits: The platform's numbers.
        folder: Where files are kept.
    """

    def __init__(self, limits: Limits, folder: Path) -> None:
        self.limits = limits
        self.clock = Clock(limits.speed)
        self.counters = Counters()
        self.bots: list[Bot] = []
        self.people: list[Person] = []
        self.rooms: list[Room] = []
        self.files = FileStore(folder)
        # Ids differ between accounts, so that a mix-up shows.
        self._next_message: Counter[int] = Counter()

    def add_bot(self, username: str, *, bot_to_bot: bool = False, privacy: bool = True) -> Bot:
        """Make a bot, with BotFather's defaults.

        Args:
            username: Without the @; real ones end in "bot".
            bot_to_bot: Bot-to-Bot Communication Mode.
            privacy: Group Privacy.
        """
        number = len(self.bots) + 1
        bot = Bot(
            7_000_000_000 + number,
            username.replace("_", " ").title(),
            username,
            new_token(7_000_000_000 + number),
            bot_to_bot,
            privacy,
            updates=UpdateQueue(100_000_000 * number, self.limits, self.clock, self.counters),
            pacing=Pacing(self.limits, self.clock, self.counters),
        )
        self._next_message[bot.id] = 1000 * number
        self.bots.append(bot)
        return bot

    def add_person(self, name: str) -> Person:
        """Make a human account."""
        person = Person(500_000 + len(self.people), name)
        self.people.append(person)
        return person

    def add_group(
        self, title: str, *users: Person, supergroup: bool = True, forum: bool = False
    ) -> Room:
        """Make a group in which these accounts are already, without a word about their joining.

        Args:
            title: Its name.
            users: Bots and people.
            supergroup: As nearly all groups are; a basic group has other ids, and may migrate.
            forum: Whether it has topics.
        """
        number = len(self.rooms) + 1
        kind, first = ("supergroup", -1_001_000_000_000) if supergroup else ("group", -4_000_000)
        room = Room(first - number, kind, title, forum)
        for user in users:
            self._seat(room, user)
        self.rooms.append(room)
        return room

    def join(self, room: Room, user: Person) -> None:
        """Add an account to a group; Group Privacy counts as it is set now."""
        self._change_member(room, user, "member")
        self.post(room, user, service={"new_chat_members": [user.view()]})

    def leave(self, room: Room, user: Person, *, kicked: bool = False) -> None:
        """Remove an account from a group."""
        self.post(room, user, service={"left_chat_member": user.view()})
        self._change_member(room, user, "kicked" if kicked else "left")

    def set_status(self, room: Room, user: Person, status: str) -> None:
        """Make a member `administrator`, `restricted` (it may not write), or `member` again."""
        self._change_member(room, user, status)

    def add_topic(self, room: Room, name: str) -> int:
        """Make a topic in a forum.

        Returns:
            Its `message_thread_id`.
        """
        topic = len(room.topics) + 2  # 1 is "General", which messages do not name
        room.topics[topic] = name
        return topic

    def migrate(self, room: Room) -> Room:
        """Turn a basic group into a supergroup with another id (behaviour 12).

        Returns:
            The supergroup. Messages of the old group are not found in it.
        """
        users = [room.users[user_id] for user_id, member in room.members.items() if member.present]
        new = self.add_group(room.title, *users)
        new.members = dict(room.members)
        self.post(room, users[0], service={"migrate_to_chat_id": new.id})
        self.post(new, users[0], service={"migrate_from_chat_id": room.id})
        room.moved_to = new
        return new

    def new_token(self, bot: Bot) -> str:
        """Revoke a bot's token: 401 for the old one from now on (behaviour 9)."""
        bot.token = new_token(bot.id)
        return bot.token

    def say(
        self,
        person: Person,
        where: Room | Bot,
        text: str = "",
        *,
        file: Path | bytes | None = None,
        file_name: str = "",
        reply_to: Message | None = None,
        topic: int | None = None,
    ) -> Message:
        """Post as a human; the first word to a bot opens the private chat.

        Args:
            person: Who.
            where: A group, or a bot.
            text: The text, or the caption of the file.
            file: A file of any size to attach.
            file_name: How it is called; a path's own name by default.
            reply_to: A message of the same chat.
            topic: Topic in a forum.
        """
        room = self.private(person, where) if isinstance(where, Bot) else where
        stored = None
        if file is not None:
            name = file_name or (file.name if isinstance(file, Path) else "file.bin")
            stored = self.files.copy(file, name)
        return self.post(room, person, text=text, file=stored, reply_to=reply_to, topic=topic)

    def edit(self, message: Message, text: str) -> None:
        """Change a message; bots get an `edited_message`."""
        message.text = text
        message.edited = self.clock.date()
        self._deliver("edited_message", message)

    def delete(self, message: Message) -> None:
        """Delete a message; bots are not told, and may still get it."""
        message.deleted = True

    def block(self, person: Person, bot: Bot) -> None:
        """A human blocks a bot."""
        self.private(person, bot).members[person.id].status = "kicked"

    def history(self, where: Room | Person, other: Person | None = None) -> list[Message]:
        """What stands in a group, or between two accounts; without deleted messages."""
        if isinstance(where, Room):
            room = where
        elif other is not None:
            room = self.private(where, other)
        else:
            raise TypeError("a private chat has two sides")
        return [message for message in room.messages if not message.deleted]

    @property
    def people_messages(self) -> list[Message]:
        """Everything that humans wrote, in no order between rooms."""
        return [
            message
            for room in self.rooms
            for message in room.messages
            if not message.author.is_bot and not message.service
        ]

    def account(self, user_id: int) -> Person | None:
        """A bot or person by id."""
        return next((user for user in [*self.people, *self.bots] if user.id == user_id), None)

    def private(self, one: Person, other: Person) -> Room:
        """The private chat of two accounts; made when it is not there."""
        room = self.find_private(one, other)
        if room is None:
            room = Room(0, "private")
            self._seat(room, one)
            self._seat(room, other)
            self.rooms.append(room)
        return room

    def post(self, room: Room, author: Person, **content: Any) -> Message:
        """Store a message and give it to the bots that hear it.

        Args:
            room: Where.
            author: Who.
            content: Further fields of `Message`.
        """
        present = [user for key, user in room.users.items() if room.members[key].present]
        if room.kind == "supergroup":
            ids = dict.fromkeys((user.id for user in present), len(room.messages) + 1)
        else:
            for user in present:
                self._next_message[user.id] += 1
            ids = {user.id: self._next_message[user.id] for user in present}
        message = Message(room, author, self.clock.date(), ids, **content)
        room.messages.append(message)
        self._deliver("message", message)
        if isinstance(author, Bot):
            room.last_bot = author
        return message

    def find_private(self, one: Person, other: Person) -> Room | None:
        """The private chat of two accounts, if they ever used it."""
        pair = {one.id, other.id}
        rooms = (room for room in self.rooms if room.kind == "private")
        return next((room for room in rooms if room.users.keys() == pair), None)

    def _deliver(self, kind: str, message: Message) -> None:
        for bot in message.room.bots:
            if bot is message.author and not message.service:
                continue  # a bot never gets its own messages
            if reason := why_deaf(message, bot):
                self.counters.ignored[reason] += 1
                continue
            bot.known.add(message.author.id)
            bot.updates.put(kind, message.view(bot))

    def _seat(self, room: Room, user: Person) -> Member:
        sees_all = isinstance(user, Bot) and not user.privacy
        room.users[user.id] = user
        room.members[user.id] = Member(sees_all=sees_all)
        return room.members[user.id]

    def _change_member(self, room: Room, user: Person, status: str) -> None:
        old = room.members.get(user.id) or Member("left")
        new = self._seat(room, user)
        new.status = status
        if old.present and new.present:
            new.sees_all = old.sees_all
        if isinstance(user, Bot):
            change = {
                "chat": room.view(user),
                "from": user.view(),
                "date": self.clock.date(),
                "old_chat_member": old.view(user),
                "new_chat_member": new.view(user),
            }
            user.updates.put("my_chat_member", change)
