"""Who may talk to the server: pages it served itself, under a name it goes by, and with its token where it has one."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# nothing from any other host is loaded, and no other page may frame this one
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Guard:
    """An ASGI application that refuses what does not come from its own pages, websockets included.

    A page of another site could otherwise drive the lessons (marimo itself accepts any Origin), and one whose name is
    made to point at this machine could read them: hence names are checked too.

    Parameters
    ----------
    app
        The application behind.
    names
        Host names under which it may be addressed.
    addresses
        Whether any IP address will do as well: for a server on all interfaces. A rebound name is never an address.
    port
        The port, as browsers show it.
    token
        Secret to be shown once as ``?token=``, kept in a cookie from then on; None: none.
    """

    def __init__(
        self, app: Application, names: set[str], port: int, *, addresses: bool = False, token: str | None = None
    ) -> None:
        self._app, self._names, self._addresses, self._port, self._token = app, names, addresses, port, token
        self._cookie = f"diffusion-lab-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        reason = self._foreign(headers, scope)
        if reason:
            await _refuse(scope, receive, send, 403, reason)
            return
        if self._token is not None:
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            shown = dict(query).get("token")
            if (
                shown is not None
                and scope["type"] == "http"
                and hmac.compare_digest(shown.encode(), self._token.encode())
            ):
                await self._remember(scope, [pair for pair in query if pair[0] != "token"], send)
                return
            if not self._known(headers):
                await _refuse(scope, receive, send, 401, "open the address with ?token= that the server printed")
                return

        async def marked(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        await self._app(scope, receive, marked)

    def _foreign(self, headers: list[tuple[str, str]], scope: Scope) -> str:
        """Why a request is not from a page of this server; empty if it may be."""
        hosts = [value for name, value in headers if name == "host"]
        if len(hosts) != 1 or not self._is_mine(hosts[0]):
            return f"this server does not go by the name {', '.join(hosts) or '(none)'}"
        for name, value in headers:
            if name == "origin" and value != f"http://{hosts[0]}":
                return f"requests from pages of {value} are not accepted"
        fetch = {name: value for name, value in headers if name.startswith("sec-fetch-")}
        opened = fetch.get("sec-fetch-mode") == "navigate" and scope.get("method") == "GET"
        if fetch.get("sec-fetch-site", "none") not in ("same-origin", "none") and not opened:
            return "requests from pages of other sites are not accepted"
        return ""

    def _is_mine(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if port != self._port or parts.username is not None or parts.path:
            return False
        return name in self._names or (self._addresses and _is_address(name))

    def _known(self, headers: list[tuple[str, str]]) -> bool:
        assert self._token is not None
        for name, value in headers:
            if name == "cookie":
                try:
                    morsel = SimpleCookie(value).get(self._cookie)
                except CookieError:
                    continue
                if morsel is not None and hmac.compare_digest(morsel.value.encode(), self._token.encode()):
                    return True
        return False

    async def _remember(self, scope: Scope, query: list[tuple[str, str]], send: Send) -> None:
        """Set the cookie and lead to the same page without the token, so that it is not in sight when projected."""
        rest = f"?{urlencode(query)}" if query else ""
        path = "/" + scope["path"].lstrip("/\\")  # never //, which would be another host
        cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Lax; Path=/"
        headers = [(b"location", f"{path}{rest}".encode()), (b"set-cookie", cookie.encode()), *HEADERS]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:120]})  # before accepting: status 403
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"diffusion-lab: {reason}\n".encode()})
