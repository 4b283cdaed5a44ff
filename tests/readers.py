"""Readers of the lessons without a browser: what a class on machines of its own asks of the server."""

import asyncio
import json
import random
import re
import secrets
import time
from urllib.parse import urlsplit

from websockets.asyncio.client import connect

SLIDER = re.compile(r"object-id='([^']+)'[^>]*><marimo-slider[^>]*data-initial-value='(\d+)'[^>]*data-stop='(\d+)'")


async def set_value(address, lesson, session, element, value):
    """What the page posts when a slider moves."""
    parts = urlsplit(address)
    body = json.dumps({"objectIds": [element], "values": [value]}).encode()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST /{lesson}/api/kernel/set_ui_element_value HTTP/1.1\r\nHost: {parts.netloc}\r\nOrigin: "
        f"http://{parts.netloc}\r\nContent-Type: application/json\r\nMarimo-Session-Id: {session}\r\nContent-Length: "
        f"{len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]


def page_of(address, lesson, session):
    """The connection of a page of this lesson."""
    url = f"ws://{urlsplit(address).netloc}/{lesson}/ws?session_id={session}"
    return connect(url, origin=address.rstrip("/"), max_size=None)


async def opening(socket):
    """All that a page is sent to show before it is first complete."""
    shown, message = [], ""
    while '"completed-run"' not in message:
        message = await asyncio.wait_for(socket.recv(), 60)
        shown.append(str((json.loads(message)["data"].get("output") or {}).get("data")))
    return "\n".join(shown)


def first_sight(address, lesson):
    """What a page of this lesson shows when it is opened."""

    async def look():
        async with page_of(address, lesson, f"s_{secrets.token_hex(3)}") as socket:
            return await opening(socket)

    return asyncio.run(look())


async def read(address, lesson, number, seconds, pause):
    """Milliseconds from each move of a slider to the next picture; moves come after the last picture and a pause."""
    draw, session, times = random.Random(number), f"s_{secrets.token_hex(3)}", []
    async with page_of(address, lesson, session) as socket:
        sliders = SLIDER.findall(await opening(socket))
        assert len(sliders) >= 3
        ends = {element: int(stop) for element, _, stop in sliders}
        values = {element: int(first) for element, first, _ in sliders}
        await asyncio.sleep(pause * draw.random())
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            element = draw.choice(list(ends))
            step = -1 if values[element] else 1  # away from the costly end
            values[element] = min(values[element] + step, ends[element])
            began = time.perf_counter()
            await set_value(address, lesson, session, element, values[element])
            while True:
                message = await asyncio.wait_for(socket.recv(), 60)
                if "<svg" in message:
                    times.append(1000 * (time.perf_counter() - began))
                if '"completed-run"' in message:
                    break
            await asyncio.sleep(pause * (0.5 + draw.random()))
    return times


def a_class(address, lessons, readers, seconds, pause):
    """Times of all moves of a class that reads for some seconds."""

    async def everyone():
        tasks = [read(address, lessons[k % len(lessons)], k, seconds, pause) for k in range(readers)]
        return [t for times in await asyncio.gather(*tasks) for t in times]

    return asyncio.run(everyone())
