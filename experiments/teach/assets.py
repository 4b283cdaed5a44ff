"""The files of marimo's front end, kept in memory: a page asks for some 300 of them, all lessons for the same."""

import mimetypes
from pathlib import Path

import marimo

from experiments.teach.guard import Receive, Scope, Send

FRONT = Path(marimo.__file__).parent / "_static"
FOREVER = b"public, max-age=31536000, immutable"  # their names carry a hash of what is in them
_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".json": "application/json"}


class Assets:
    """An ASGI application that serves the files of one folder, and nothing outside it."""

    def __init__(self) -> None:
        self._paths = {f"/{path.relative_to(FRONT).as_posix()}": path for path in FRONT.rglob("*") if path.is_file()}
        self._kept: dict[str, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file of that name, or that there is none."""
        name = scope["path"].removeprefix(scope.get("root_path", ""))
        path = self._paths.get(name)
        if path is None:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if name not in self._kept:
            self._kept[name] = path.read_bytes()
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(self._kept[name])).encode())]
        if name.startswith("/assets/"):
            headers.append((b"cache-control", FOREVER))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._kept[name]})
