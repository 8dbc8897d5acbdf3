"""The ASGI application: what docs/share-protocol.md, section 3, lists, and nothing else."""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router

from ocft.crypto import SALT, SEAL, format_octets, is_share_id, is_token, token_digest
from ocft.errors import UnsealError
from ocft.share.manifest import MAX_MANIFEST
from ocft.share.server.downloads import ContentAnswer
from ocft.share.server.guard import Guard, Names
from ocft.share.server.happenings import PasswordLocked
from ocft.share.server.limits import Recent, counted_as
from ocft.share.server.metrics import Metrics
from ocft.share.server.page_files import PageAnswers
from ocft.share.server.passwords import PasswordGate, PasswordSecret
from ocft.share.server.refusals import (
    BadRequest,
    Conflict,
    NoSession,
    NotAuthorised,
    NotFound,
    PasswordNeeded,
    RateLimited,
    WrongMethod,
)
from ocft.share.server.requests import (
    DoneBody,
    JoinBody,
    MakeBody,
    bearer,
    octets,
    range_start,
    read_body,
    read_json,
)
from ocft.share.server.service import Sessions
from ocft.share.server.sessions import Session
from ocft.share.server.uploads import Uploads
from ocft.share.working import in_thread

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SPAKE: Final = 33  # bytes of a SPAKE2 message
_MAC: Final = 32
_P: Final = 32
_API: Final = "/api/v1/sessions"


class ShareApp:
    """Answers the requests for all sessions of a server: an ASGI application.

    Args:
        sessions: What it is about.
        names: Under which names it may be asked.
        metrics_token: Who has it may read the metrics from anywhere; None: loopback only.
        trusted_proxies: Addresses whose `X-Forwarded-For` is believed.
    """

    def __init__(
        self,
        sessions: Sessions,
        names: Names,
        *,
        metrics_token: str | None = None,
        trusted_proxies: frozenset[str] = frozenset(),
    ) -> None:
        self.sessions = sessions
        limits = sessions.limits
        self._names = names
        self._metrics_token = token_digest(metrics_token) if metrics_token else None
        self._proxies = trusted_proxies
        self._uploads = Uploads(sessions)
        self._made = Recent(limits.made_a_minute)
        self._joined = Recent(limits.joined_a_minute)
        self._looked = Recent(limits.looked_a_minute)
        self._wrong = Recent(limits.wrong_a_minute)
        self.metrics = Metrics(sessions)
        one = f"{_API}/{{session}}"
        router = Router(
            [
                _route("/s", GET=self._to_page),
                _route(_API, POST=self._make),
                _route(one, GET=self._look, DELETE=self._delete),
                _route(f"{one}/downloads", POST=self._join),
                _route(f"{one}/manifest", GET=self._get_manifest, PUT=self._put_manifest),
                _route(
                    f"{one}/content",
                    GET=self._get_content,
                    HEAD=self._head_content,
                    PATCH=self._patch_content,
                ),
                _route(f"{one}/downloads/{{download}}/done", POST=self._done),
                _route(f"{one}/complete", POST=self._complete),
                _route("/health", GET=self._health),
                _route("/metrics", GET=self._show_metrics),
            ],
            redirect_slashes=False,
            default=_not_found,
        )
        self._guarded: ASGIApp = Guard(PageAnswers(router, sessions.turns), names)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return

        async def count(message: "Message") -> None:
            if message["type"] == "http.response.start":
                self.metrics.answered(message["status"])
            await send(message)

        self.metrics.under_way += 1
        try:
            await self._guarded(scope, receive, count)
        finally:
            self.metrics.under_way -= 1

    async def _live(self, receive: "Receive", send: "Send") -> None:
        """Sweep for as long as a server that is not ours runs this."""
        import asyncio

        sweeping: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.sessions.load()
                sweeping = asyncio.create_task(self.sessions.keep_swept())
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if sweeping is not None:
                    sweeping.cancel()
                await self.sessions.close(is_kept=True)
                await send({"type": "lifespan.shutdown.complete"})
                return

    # The page

    async def _to_page(self, request: Request) -> Response:  # noqa: ARG002 - as routes are called
        return Response(status_code=308, headers={"Location": "s/"})

    # Sessions

    async def _make(self, request: Request) -> Response:
        if not self.sessions.accepts_new:
            raise NotFound("This server takes no sessions of others.")
        self._limit(request, self._made, "sessions were made")
        body = await self._json(request, MakeBody)
        if not is_share_id(body.id):
            raise BadRequest("This is no id of a session.")
        secret = None
        if body.password is not None:
            secret = PasswordSecret(octets(body.password.p, _P), octets(body.password.verifier, _P))
        session, sender_key = await self.sessions.make(
            body.id,
            expires_in=body.expires_in,
            max_downloads=body.max_downloads,
            password=secret,
        )
        return JSONResponse(
            {"sender_key": sender_key, "expires_at": _seconds(session.expires_at)}, 201
        )

    async def _look(self, request: Request) -> Response:
        self._limit(request, self._looked, "looks at a session")
        session = self._open_session(request)
        size = session.content.length
        return JSONResponse(
            {
                "state": "ready" if session.is_ready else "waiting",
                "needs_password": session.gate is not None,
                "live": session.stored is None,
                "size": size,
                "expires_at": _seconds(session.expires_at),
                "downloads_left": session.downloads_left,
            }
        )

    async def _delete(self, request: Request) -> Response:
        self.sessions.end(self._senders_session(request), "deleted")
        return Response(status_code=204)

    # Receivers

    async def _join(self, request: Request) -> Response:
        self._limit(request, self._joined, "downloads were asked for")
        session = self._open_session(request)
        body = await self._json(request, JoinBody)
        p = None
        if session.gate is not None:
            p = await self._prove(request, session, session.gate, body)
        download, token = self.sessions.let_in(session)
        granted = {"download": download.name, "token": token}
        return JSONResponse(granted if p is None else granted | {"p": p}, 201)

    async def _prove(
        self, request: Request, session: Session, gate: PasswordGate, body: JoinBody
    ) -> str:
        """Return P, sealed for who has the password (section 4)."""
        steady = self.sessions.steady
        if body.try_ is not None and body.mac is not None:
            sealed = gate.finish(body.try_, octets(body.mac, _MAC), steady())
            return format_octets(sealed)
        if body.spake is None:
            raise PasswordNeeded("This session has a password.")
        message = octets(body.spake, _SPAKE)
        address = self._address(request)
        gate.count(address, steady())
        if gate.is_locked:
            self.sessions.tell(PasswordLocked(session.id))
        await self.sessions.keeper.note(session)
        try:
            ours, proof = await in_thread(gate.answer, message)
        except UnsealError as error:
            raise BadRequest("This is no message of SPAKE2.") from error
        raise PasswordNeeded(
            "Prove the password.",
            **{
                "try": gate.remember(proof, address, steady()),
                "spake": format_octets(ours),
                "mac": format_octets(proof.mac),
            },
        )

    async def _get_manifest(self, request: Request) -> Response:
        session = self._session(request)
        self._download(request, session)
        if not session.is_ready:
            raise Conflict("The sender is not done yet.")
        manifest = await self.sessions.keeper.manifest(session)
        return Response(manifest, media_type="application/octet-stream")

    async def _get_content(self, request: Request) -> "ASGIApp":
        session = self._session(request)
        download = self._download(request, session)
        length = session.content.length
        if not session.is_ready or length is None:
            raise Conflict("The sender is not done yet.")
        start = range_start(request, length)
        is_part = "range" in request.headers
        return ContentAnswer(
            self.sessions, session, download, start=start, length=length, is_part=is_part
        )

    async def _head_content(self, request: Request) -> "ASGIApp":
        session = self._session(request)
        content = session.stored
        if content is None or not session.is_sender(bearer(request)):
            return await self._get_content(request)
        headers = {"Upload-Offset": str(content.stored)}
        if content.length is not None:
            headers["Upload-Length"] = str(content.length)
            headers["OCFT-Salt"] = format_octets(content.salt)
        return Response(status_code=200, headers=headers)

    async def _done(self, request: Request) -> Response:
        session = self._session(request)
        download = self._download(request, session)
        if download.name != request.path_params["download"]:
            raise NotAuthorised("The token is for another download.")
        body = await self._json(request, DoneBody)
        await self.sessions.finish(session, download, ok=body.ok, code=body.code)
        return Response(status_code=204)

    # The sender

    async def _put_manifest(self, request: Request) -> Response:
        session = self._senders_session(request)
        if session.is_ready:
            raise Conflict("This session is complete.")
        idle = self.sessions.limits.idle_seconds
        sealed = await read_body(request, SALT + MAX_MANIFEST + SEAL, idle_seconds=idle)
        if len(sealed) <= SALT + SEAL:
            raise BadRequest("This is no sealed manifest.")
        await self.sessions.put_manifest(session, sealed)
        return Response(status_code=204)

    async def _patch_content(self, request: Request) -> Response:
        session = self._senders_session(request)
        stored = await self._uploads.take(request, session)
        return Response(status_code=204, headers={"Upload-Offset": str(stored)})

    async def _complete(self, request: Request) -> Response:
        session = self._senders_session(request)
        if not session.is_ready:
            content = session.stored
            if not session.has_manifest or content is None or not content.is_complete:
                raise Conflict("Something is missing.")
            await self.sessions.complete(session)
        return Response(status_code=204)

    # The server

    async def _health(self, request: Request) -> Response:  # noqa: ARG002 - as routes are called
        if self.sessions.is_closing:
            return JSONResponse({"status": "shutting down"}, 503)
        return JSONResponse({"status": "ok"})

    async def _show_metrics(self, request: Request) -> Response:
        token = bearer_of_any_length(request)
        if self._metrics_token is not None and token is not None:
            self._check_patience(request)
            if is_token(token, self._metrics_token):
                return _text(self.metrics.text())
            self._count_wrong(request)
        # Behind a proxy or a tunnel everybody comes from loopback.
        is_near = not self._names.is_public and not self._proxies and _is_loopback(request)
        if not is_near:
            raise NotAuthorised("The metrics need the token for metrics.")
        return _text(self.metrics.text())

    # What is common

    def _session(self, request: Request) -> Session:
        return self.sessions.find(request.path_params["session"])

    def _open_session(self, request: Request) -> Session:
        session = self._session(request)
        if not session.is_open(self.sessions.wall()):
            raise NoSession
        return session

    def _senders_session(self, request: Request) -> Session:
        session = self._session(request)
        self._check_patience(request)
        if not session.is_sender(bearer(request)):
            self._count_wrong(request)
            raise NotAuthorised("The sender key is missing or wrong.")
        return session

    def _download(self, request: Request, session: Session) -> Any:
        self._check_patience(request)
        sessions = self.sessions
        try:
            return session.download_of(bearer(request), sessions.wall(), sessions.steady())
        except NotAuthorised:
            self._count_wrong(request)
            raise

    def _check_patience(self, request: Request) -> None:
        wait = self._wrong.wait(self._address(request), self.sessions.steady())
        if wait:
            raise RateLimited("Too many wrong tokens; wait a minute.", wait=wait)

    def _count_wrong(self, request: Request) -> None:
        self._wrong.record(self._address(request), self.sessions.steady())

    def _limit(self, request: Request, recent: Recent, what: str) -> None:
        address, now = self._address(request), self.sessions.steady()
        if wait := recent.wait(address, now):
            raise RateLimited(f"Too many {what} within a minute.", wait=wait)
        recent.record(address, now)

    def _address(self, request: Request) -> str:
        host = request.client.host if request.client else ""
        if host in self._proxies:
            # The last one is what our proxy saw; what stands before it anybody may have written.
            forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
            host = forwarded.rpartition(",")[2].strip() or host
        return counted_as(host)

    async def _json(self, request: Request, model: type[Any]) -> Any:
        return await read_json(request, model, idle_seconds=self.sessions.limits.idle_seconds)


def bearer_of_any_length(request: Request) -> str | None:
    """Return a token that people may have chosen."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" and token else None


_Endpoint = Callable[[Request], Awaitable["ASGIApp"]]


def _route(path: str, **endpoints: _Endpoint) -> Route:
    return Route(path, _Methods(endpoints))


class _Methods:
    """Calls the endpoint of a request's method."""

    def __init__(self, endpoints: dict[str, _Endpoint]) -> None:
        self._endpoints = endpoints
        self._allowed = ", ".join(endpoints)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None and scope["method"] == "HEAD":
            endpoint = self._endpoints.get("GET")
        if endpoint is None:
            refusal = WrongMethod("This is not possible here.")
            refusal.headers.append(("Allow", self._allowed))
            raise refusal
        try:
            answer = await endpoint(Request(scope, receive))
        except HTTPException as error:
            raise BadRequest("The request is malformed.") from error
        await answer(scope, receive, send)


async def _not_found(scope: "Scope", receive: "Receive", send: "Send") -> None:  # noqa: ARG001 - ASGI
    raise NotFound("There is nothing here.")


def _text(words: str) -> Response:
    return PlainTextResponse(words, media_type="text/plain; version=0.0.4; charset=utf-8")


def _seconds(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def _is_loopback(request: Request) -> bool:
    try:
        return ipaddress.ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False
