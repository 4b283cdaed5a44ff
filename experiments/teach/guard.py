"""Who may talk to the server: pages it served itself, under a name it goes by, and with its token where it has one."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # nothing from any other host is loaded, and no other page may frame this one
    "content-security-policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; "
        "frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


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
        self, app: ASGIApp, names: set[str], port: int, *, addresses: bool = False, token: str | None = None
    ) -> None:
        self._app, self._names, self._addresses, self._port, self._token = app, names, addresses, port, token
        self._cookie = f"diffusion-lab-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._answer(HTTPConnection(scope)) if scope["type"] in ("http", "websocket") else None
        await (answer or self._app)(scope, receive, marked)

    def _answer(self, request: HTTPConnection) -> Response | None:
        """What the guard itself answers; nothing if the request may pass."""
        reason = self._foreign(request)
        if reason:
            return PlainTextResponse(f"diffusion-lab: {reason}\n", 403)
        if self._token is None:
            return None
        if self._is_token(request.query_params.get("token")) and request.scope["type"] == "http":
            return self._remember(request)
        if not self._is_token(request.cookies.get(self._cookie)):
            status = 401 if request.scope["type"] == "http" else 403  # as of any websocket that is not accepted
            return PlainTextResponse("diffusion-lab: open the address with ?token= that the server printed\n", status)
        return None

    def _foreign(self, request: HTTPConnection) -> str:
        """Why a request is not from a page of this server; empty if it may be."""
        headers = request.headers
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_mine(hosts[0]):
            return f"this server does not go by the name {', '.join(hosts) or '(none)'}"
        for origin in headers.getlist("origin"):
            if origin != f"http://{hosts[0]}":
                return f"requests from pages of {origin} are not accepted"
        opened = headers.get("sec-fetch-mode") == "navigate" and request.scope.get("method") == "GET"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not opened:
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

    def _is_token(self, shown: str | None) -> bool:
        return shown is not None and hmac.compare_digest(shown.encode(), (self._token or "").encode())

    def _remember(self, request: HTTPConnection) -> Response:
        """Set the cookie and lead to the same page without the token, so that it is not in sight when projected."""
        rest = urlencode([pair for pair in request.query_params.multi_items() if pair[0] != "token"])
        path = "/" + request.scope["path"].lstrip("/\\")  # never //, which would be another host
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(self._cookie, self._token or "", httponly=True, samesite="lax")
        return answer


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
