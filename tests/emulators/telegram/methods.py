"""The methods of the Bot API that this stand-in has."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.emulators.telegram.addresses import check_may_write, find_room
from tests.emulators.telegram.answers import bad_request
from tests.emulators.telegram.calls import Call
from tests.emulators.telegram.files import StoredFile
from tests.emulators.telegram.text import clean_caption, clean_text
from tests.emulators.telegram.things import MEMBER_RIGHTS, Bot, Member, Message, Room
from tests.emulators.telegram.world import World

Method = Callable[[Call], Awaitable[Any]]

_HARMLESS = ("setMyCommands", "deleteMyCommands", "setMessageReaction")
_WRONG_FILE = "wrong file_id or the file is temporarily unavailable"


class Methods:
    """What a bot can call.

    Args:
        world: What the calls act upon.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        names: dict[str, Method] = {
            "getMe": self._get_me,
            "getUpdates": self._get_updates,
            "getWebhookInfo": self._get_webhook_info,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "sendMessage": self._send_message,
            "sendDocument": self._send_document,
            "sendChatAction": self._send_chat_action,
            "editMessageText": self._edit_message_text,
            "deleteMessage": self._delete_message,
            "getFile": self._get_file,
            "getChat": self._get_chat,
            "getChatMember": self._get_chat_member,
            "getChatMemberCount": self._get_chat_member_count,
            "getChatAdministrators": self._get_chat_administrators,
            "leaveChat": self._leave_chat,
        }
        names |= dict.fromkeys(_HARMLESS, self._nothing)
        self._methods = {name.lower(): (name, method) for name, method in names.items()}

    def find(self, name: str) -> tuple[str, Method] | None:
        """A method by its name in any letter case, with its name as documented."""
        return self._methods.get(name.lower())

    async def _get_me(self, call: Call) -> Any:
        return call.bot.me()

    async def _nothing(self, call: Call) -> Any:
        return True

    async def _get_updates(self, call: Call) -> Any:
        limits = self._world.limits
        limit = call.integer("limit", limits.poll_updates)
        return await call.bot.updates.poll(
            offset=call.integer("offset"),
            limit=min(max(limit, 1), limits.poll_updates),
            seconds=min(max(call.integer("timeout"), 0), limits.poll_seconds),
            allowed=call.nested("allowed_updates"),
        )

    async def _get_webhook_info(self, call: Call) -> Any:
        updates = call.bot.updates
        info = {
            "url": updates.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(updates),
        }
        return info | {"allowed_updates": updates.allowed} if updates.allowed else info

    async def _set_webhook(self, call: Call) -> Any:
        call.bot.updates.webhook = call.params.get("url", "")
        return True

    async def _delete_webhook(self, call: Call) -> Any:
        call.bot.updates.webhook = ""
        if call.flag("drop_pending_updates"):
            call.bot.updates.drop_all()
        return True

    async def _send_message(self, call: Call) -> Any:
        room = self._room(call)
        check_may_write(call.bot, room, "text messages")
        self._check_no_parse_mode(call)
        text = clean_text(call.params.get("text", ""), self._world.limits)
        return await self._send(call, room, text, None)

    async def _send_document(self, call: Call) -> Any:
        room = self._room(call)
        check_may_write(call.bot, room, "documents")
        self._check_no_parse_mode(call)
        caption = clean_caption(call.params.get("caption", ""), self._world.limits)
        upload = call.upload("document")
        if upload is None:
            reference = call.params.get("document", "")
            if not reference:
                raise bad_request("there is no document in the request")
            return await self._send(call, room, caption, self._file(call.bot, reference))
        if not upload.size:
            raise bad_request("file must be non-empty")
        with call.bot.pacing.upload():
            await call.bot.pacing.space(upload.size)
            stored = self._world.files.keep(
                upload.path,
                upload.name,
                mime_type=upload.mime_type,
                detect=not call.flag("disable_content_type_detection"),
            )
            sent = await self._send(call, room, caption, stored)
        upload.kept = True
        return sent

    async def _send_chat_action(self, call: Call) -> Any:
        self._topic(call, self._room(call))
        return True

    async def _send(self, call: Call, room: Room, text: str, file: StoredFile | None) -> Any:
        topic = self._topic(call, room)
        reply_to = self._reply_target(call, room)
        await call.bot.pacing.message(room.id_for(call.bot))
        message = self._world.post(
            room,
            call.bot,
            text=text,
            file=file,
            reply_to=reply_to,
            topic=topic,
        )
        return message.view(call.bot)

    async def _edit_message_text(self, call: Call) -> Any:
        room = self._room(call)
        self._check_no_parse_mode(call)
        message = self._message(call, room, "message to edit not found")
        if message.author is not call.bot or message.file or message.service:
            raise bad_request("message can't be edited")
        text = clean_text(call.params.get("text", ""), self._world.limits)
        if text == message.text:
            raise bad_request(
                "message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message"
            )
        await call.bot.pacing.message(room.id_for(call.bot))
        self._world.edit(message, text)
        return message.view(call.bot)

    async def _delete_message(self, call: Call) -> Any:
        room = self._room(call)
        message = self._message(call, room, "message to delete not found")
        admin = room.members[call.bot.id].status == "administrator"
        if message.author is not call.bot and not admin and room.kind != "private":
            raise bad_request("message can't be deleted")
        self._world.delete(message)
        return True

    async def _get_file(self, call: Call) -> Any:
        file = self._file(call.bot, call.params.get("file_id", ""))
        if file.size > self._world.limits.download_bytes:
            raise bad_request("file is too big")
        clock = self._world.clock
        expires = clock() + clock.real(self._world.limits.link_seconds)
        return {
            "file_id": call.bot.file_id(file),
            "file_unique_id": file.unique_id,
            "file_size": file.size,
            "file_path": call.bot.link(file, expires),
        }

    async def _get_chat(self, call: Call) -> Any:
        room = self._room(call)
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription")
        view = room.view(call.bot) | {
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys((*gifts, "gifts_from_channels"), False),
        }
        if room.kind != "private":
            view["permissions"] = dict.fromkeys(MEMBER_RIGHTS, True)
        return view

    async def _get_chat_member(self, call: Call) -> Any:
        room = self._room(call)
        user_id = call.integer("user_id")
        user = self._world.account(user_id)
        if user is None:
            raise bad_request("user not found")
        return room.members.get(user_id, Member("left")).view(user)

    async def _get_chat_member_count(self, call: Call) -> Any:
        return sum(member.present for member in self._room(call).members.values())

    async def _get_chat_administrators(self, call: Call) -> Any:
        room = self._room(call)
        return [
            member.view(room.users[user_id])
            for user_id, member in room.members.items()
            if member.status == "administrator"
        ]

    async def _leave_chat(self, call: Call) -> Any:
        self._world.leave(self._room(call), call.bot)
        return True

    def _room(self, call: Call) -> Room:
        chat_id = call.params.get("chat_id", "")
        if not chat_id:
            raise bad_request("chat_id is empty")
        return find_room(self._world, call.bot, chat_id)

    def _file(self, bot: Bot, file_id: str) -> StoredFile:
        """A file by this bot's own id of it; another bot's id is refused (behaviour 4)."""
        if file_id not in bot.file_ids:
            raise bad_request(_WRONG_FILE)
        return bot.file_ids[file_id]

    def _message(self, call: Call, room: Room, missing: str) -> Message:
        message = room.find(call.bot, call.integer("message_id"))
        if message is None:
            raise bad_request(missing)
        return message

    def _reply_target(self, call: Call, room: Room) -> Message | None:
        """The message that is answered (behaviour 12)."""
        about = call.nested("reply_parameters") or {
            "message_id": call.integer("reply_to_message_id"),
            "allow_sending_without_reply": call.flag("allow_sending_without_reply"),
        }
        if not about.get("message_id"):
            return None
        message = room.find(call.bot, int(about["message_id"]))
        if message is None and not about.get("allow_sending_without_reply"):
            raise bad_request("message to be replied not found")
        return message

    def _topic(self, call: Call, room: Room) -> int | None:
        topic = call.integer("message_thread_id") or None
        if room.forum and topic and topic not in room.topics:
            raise bad_request("message thread not found")
        return topic if room.forum else None

    def _check_no_parse_mode(self, call: Call) -> None:
        if call.params.get("parse_mode"):
            raise bad_request("unsupported parse_mode: this stand-in has none")
