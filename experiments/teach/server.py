"""The server: marimo's application behind a guard, on the loopback interface unless told otherwise."""

import contextlib
import ipaddress
import os
import secrets
import socket
import threading
import webbrowser
from typing import Any

import marimo
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from experiments.lessons import LESSONS, convention, hill
from experiments.teach import notebook, page, site
from experiments.teach.assets import asset
from experiments.teach.guard import Guard

GRACE = 1  # seconds that open pages get when the server stops


def application(port: int, *, host: str = "127.0.0.1", token: str | None = None) -> Guard:
    """The lessons and their index as one guarded ASGI application."""
    app = Starlette()
    app.add_route("/", lambda request: HTMLResponse(site.index()))
    for name, lesson in LESSONS.items():
        pages = marimo.create_asgi_app(quiet=True, html_head=site.head(lesson), asset_url="/front")
        app.add_route(f"/{name}", _with_slash)
        app.mount(f"/{name}", pages.with_app(path="", root=notebook.__file__).build())
    app.add_route("/front/{name:path}", asset)
    names = {"localhost", "127.0.0.1", "::1"}
    if not is_loopback(host):
        names |= {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
    return Guard(app, names, port, addresses=not is_loopback(host), token=token)


def _with_slash(request: Request) -> RedirectResponse:
    return RedirectResponse(f"{request.url.path}/")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A socket on the address.

    Raises
    ------
    ValueError
        If there is no such address here, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ValueError(f"host = {host!r} is no address of this machine; 127.0.0.1 is") from error
    sock = socket.socket(family, kind, protocol)  # TCP by name, or asyncio lets small packets wait 40 ms
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise ValueError(
            f"host = {host!r}, port = {port}: {os.strerror(error.errno or 0)}; give another, or port 0 for any free one"
        ) from error
    return sock


def warm() -> None:
    """Run every lesson once, so that kernels are compiled before the first page opens."""
    for lesson in LESSONS.values():
        notebook.app.run(defs={"lesson": lesson})
    for module in (convention, hill):
        module.warm()


def serve(*, host: str, port: int, browser: bool, limit: int) -> None:
    """Serve the lessons until interrupted."""
    page.limit.updates = limit
    sock = bind(host, port)
    port = sock.getsockname()[1]
    token = None if is_loopback(host) else secrets.token_urlsafe(16)
    shown = host if host not in ("0.0.0.0", "::") else socket.gethostname()
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/" + (f"?token={token}" if token else "")
    print("Warming up: the first time on a machine, kernels are compiled for about half a minute ...", flush=True)
    warm()
    guarded = application(port, host=host, token=token)
    config = uvicorn.Config(guarded, log_level="warning", lifespan="off", proxy_headers=False, server_header=False)
    config.timeout_graceful_shutdown = GRACE
    sock.listen()  # so that the address can be opened as soon as it is shown
    print(f"Lessons: {url}  (Ctrl-C stops)", flush=True)
    if browser:
        threading.Timer(0.3, webbrowser.open, [url]).start()
    server: Any = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has stopped by then
        server.run(sockets=[sock])
    print("Stopped.", flush=True)
    os._exit(0)  # threads of pages that are still open would be waited for
