"""The lessons' server refuses what does not come from its own pages."""

import asyncio
import http.client
import json
import os
import signal
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from teaching import serving

pytest.importorskip("marimo", reason="the lessons need the extra 'teach'")
from readers import a_class, first_sight

from experiments.lessons import LESSONS
from experiments.teach import server
from experiments.teach.guard import Guard

LESSON = f"/{next(iter(LESSONS))}/"


@pytest.fixture(scope="module")
def local():
    with serving() as (_, url):
        yield urlsplit(url).port


def ask(port, path, method="GET", **headers):
    """Status, headers and text of an answer; a header of None is left out."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in ({"Host": f"127.0.0.1:{port}"} | {k.replace("_", "-"): v for k, v in headers.items()}).items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def upgrade(port, path="ws?session_id=s_test01", **headers):
    """Status of a websocket's opening handshake."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("GET", f"{LESSON}{path}", skip_host=True)
    for name, value in ({"Host": f"127.0.0.1:{port}"} | handshake | headers).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("path", ["/", LESSON, f"{LESSON}health"])
def test_its_own_pages_are_served(local, path):
    for host in ("127.0.0.1", "localhost"):
        status, headers, _ = ask(local, path, Host=f"{host}:{local}", Origin=f"http://{host}:{local}")
        assert status == 200
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_every_page_has_its_own_title_and_experiment(local):
    for name, lesson in LESSONS.items():
        _, _, text = ask(local, f"/{name}/")
        assert f"document.title = {json.dumps(lesson.TITLE)}" in text
        shown = first_sight(f"http://127.0.0.1:{local}/", name)
        assert lesson.TITLE in shown
        assert "<svg" in shown


@pytest.mark.parametrize("path", ["/", LESSON, "/front/assets/x.js", f"{LESSON}api/kernel/instantiate"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": "user@127.0.0.1:{port}"},
        {"Host": None},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
)
def test_foreign_hosts_and_origins_are_refused(local, path, headers):
    headers = {name: value and value.format(port=local) for name, value in headers.items()}
    for method in ("GET", "POST"):
        status, answered, text = ask(local, path, method, **headers)
        assert status in (400, 403), (method, text)  # 400 without any host, by HTTP itself
        assert "access-control-allow-origin" not in {name.lower() for name in answered}
        if status == 403:
            assert text.startswith("diffusion-lab: ")


def test_a_link_from_elsewhere_opens_but_no_form(local):
    clicked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert ask(local, "/", **clicked)[0] == 200
    assert ask(local, LESSON, "POST", **clicked)[0] == 403


def test_websockets_of_foreign_pages_are_refused(local):
    assert upgrade(local, Origin=f"http://127.0.0.1:{local}") == 101
    assert upgrade(local, Origin="http://evil.example") == 403
    assert upgrade(local, Origin="null") == 403
    assert upgrade(local, Host=f"evil.example:{local}") == 403
    assert upgrade(local, Host=f"evil.example:{local}", Origin=f"http://evil.example:{local}") == 403


@pytest.mark.parametrize(
    "path", ["/front/../guard.py", "/front/%2e%2e/__init__.py", "/front//etc/passwd", "/saddle/../../etc/passwd"]
)
def test_no_other_file_is_served(local, path):
    assert ask(local, path)[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "kernel/run",
        "kernel/save",
        "kernel/scratchpad/run",
        "files/list_files",
        "files/create",
        "packages/add",
    ],
)
def test_pages_cannot_run_code_or_touch_files(local, path):
    status, _, _ = ask(local, f"{LESSON}api/{path}", "POST", Origin=f"http://127.0.0.1:{local}", Content_Length="0")
    assert status in (401, 403), status
    assert upgrade(local, "terminal/ws", Origin=f"http://127.0.0.1:{local}") == 403


def test_small_answers_do_not_wait_for_each_other(local):
    connection, times = http.client.HTTPConnection("127.0.0.1", local), []
    for _ in range(20):
        began = time.perf_counter()
        connection.request("GET", f"{LESSON}health")
        connection.getresponse().read()
        times.append(time.perf_counter() - began)
    connection.close()
    assert sorted(times)[10] < 0.03  # 0.04 and more where the system gathers packets


def test_assets_are_kept_by_browsers(local):
    _, _, text = ask(local, LESSON)
    script = text.split('src="')[1].split('"')[0]
    status, headers, _ = ask(local, script)
    assert (status, headers["content-type"]) == (200, "text/javascript")
    assert "immutable" in headers["cache-control"]


def test_beyond_loopback_a_token_is_needed():
    with serving("--host", "0.0.0.0", warm=False) as (process, url):
        parts = urlsplit(url)
        port, token = parts.port, parse_qs(parts.query)["token"][0]
        assert len(token) >= 20
        assert ask(port, "/")[0] == 401
        assert ask(port, LESSON, Cookie=f"diffusion-lab-{port}=guess")[0] == 401
        assert ask(port, "/?token=guess")[0] == 401
        assert upgrade(port) == 403
        assert ask(port, "/", Host=f"evil.example:{port}")[0] == 403
        status, headers, _ = ask(port, f"{LESSON}?a=1&token={token}")
        assert (status, headers["location"]) == (303, f"{LESSON}?a=1")
        cookie = headers["set-cookie"].split(";")[0]
        assert "HttpOnly" in headers["set-cookie"]
        assert ask(port, headers["location"], Cookie=cookie)[0] == 200
        assert upgrade(port, Cookie=cookie) == 101
        assert ask(port, f"//evil.example/?token={token}")[1]["location"] == "/evil.example/"
        process.send_signal(signal.SIGINT)  # with a page open, as in a lecture
        assert process.wait(timeout=15) == 0
        assert process.stdout.read().rstrip().endswith("Stopped.")


def test_a_token_is_not_given_away():
    async def application(scope, receive, send):
        raise AssertionError("reached")

    sent = []

    async def send(message):
        sent.append(message)

    guard = Guard(application, {"localhost"}, 80, token="secret")
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}
    asyncio.run(guard(scope, None, send))
    assert sent[0]["status"] == 401
    assert b"secret" not in sent[1]["body"]


def test_readers_are_served_at_once(local):
    times = a_class(f"http://127.0.0.1:{local}/", list(LESSONS), readers=7, seconds=2, pause=0.1)
    assert len(times) > 7


@pytest.mark.long
def test_a_class_of_thirty_on_machines_of_its_own(local):
    """What the server alone takes; with 30 pages in one browser on the same machine: tests/test_browser.py."""
    found = {}
    for pause in (5, 2, 0):
        times = sorted(a_class(f"http://127.0.0.1:{local}/", list(LESSONS), readers=30, seconds=15, pause=pause))
        found[f"pause {pause} s"] = {
            "moves a second": round(len(times) / 15, 1),
            "median": round(times[len(times) // 2]),
            "95 %": round(times[int(0.95 * len(times))]),
        }
    print(json.dumps({"load": os.getloadavg()[0], "milliseconds": found}))
    assert found["pause 2 s"]["median"] < 300


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "70000"], "port = 70000"),
        (["--port", "-1"], "port = -1"),
        (["--limit", "0"], "limit = 0"),
        (["--static", __file__], "test_teach.py' is a file"),
        (["--host", "no.such.host.invalid"], "host = 'no.such.host.invalid'"),
    ],
)
def test_bad_arguments_end_with_status_2(options, words, refusal):
    assert words in refusal("teach", "--no-browser", *options)


def test_a_port_that_is_taken_is_named(local):
    with pytest.raises(ValueError, match=f"port = {local}"):
        server.bind("127.0.0.1", local)


def test_only_loopback_goes_without_a_token():
    assert all(server.is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"))
    assert not any(server.is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.2", "localhost.evil.example"))
