"""The files of marimo's front end, kept in memory: a page asks for some 300 of them, all lessons for the same."""

import mimetypes
from functools import cache
from pathlib import Path

import marimo
from starlette.requests import Request
from starlette.responses import Response

FRONT = Path(marimo.__file__).parent / "_static"
FOREVER = "public, max-age=31536000, immutable"  # their names carry a hash of what is in them
_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".json": "application/json"}
_PATHS = {path.relative_to(FRONT).as_posix(): path for path in FRONT.rglob("*") if path.is_file()}


@cache
def _content(name: str) -> bytes:
    return _PATHS[name].read_bytes()


async def asset(request: Request) -> Response:
    """The file of that name in marimo's folder, and none outside it."""
    name = request.path_params["name"]
    if name not in _PATHS:
        return Response(status_code=404)
    kind = _TYPES.get(_PATHS[name].suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"content-type": kind}
    if name.startswith("assets/"):
        headers["cache-control"] = FOREVER
    return Response(_content(name), headers=headers)
