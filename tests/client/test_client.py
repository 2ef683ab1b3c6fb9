"""The client against real sockets: what it sends, what it takes, what it refuses."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
import warnings

import pandas as pd
import pytest
import trustme

from hooked_analytics import (
    AuthenticationError,
    BadResponseError,
    ForbiddenError,
    HookedClient,
    NetworkError,
    RateLimitError,
    Sandbox,
    ServerError,
    SubscriptionError,
    VideoNotFoundError,
    fetch_videos,
)
from hooked_analytics.client import transport
from tests.client.test_key import full_traceback
from tests.scripted import Request, Reset, answer, echo, serving, video

CANARY = "canary-7f3a"
MANY = [f"vid_{n}" for n in range(100)]


def ask(server, video_id="vid_1", **settings):
    settings = {"timeout_seconds": 5, "requests_per_minute": None, **settings}
    with HookedClient(CANARY, base_url=server.url, **settings) as client:
        return client.get_video(video_id)


def fetch(server, *video_ids, **settings):
    settings = {"requests_per_minute": None, **settings}
    with HookedClient(CANARY, base_url=server.url, **settings) as client:
        return fetch_videos(video_ids or ["vid_1"], client=client)


@pytest.mark.parametrize("key", [CANARY, "canary/7f3a+x"])
def test_a_response_that_quotes_the_key_does_not_show_it(key):
    quoted = key.replace("/", r"\/").encode()

    def handler(request):
        said = b'{"message": "the API key ' + quoted + b' is unknown"}'
        return answer(said, 401) if "vid_2" in request.path else answer(video("vid_1", name=key))

    with serving(handler) as server, HookedClient(key, base_url=server.url) as c:
        assert c.get_video("vid_1")["name"] == "***"
        with pytest.raises(AuthenticationError, match=r"\(the API key \*\*\* is unknown\)"):
            c.get_video("vid_2")


def test_sends_the_key_and_the_quoted_id():
    with serving(lambda request: answer(video("vid_1"))) as server:
        assert ask(server) == {"id": "vid_1"}
    [request] = server.requests
    assert request.path == "/v1/video/vid_1"
    assert request.headers["x-api-key"] == CANARY
    assert request.headers["user-agent"].startswith("hooked-analytics/")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"success": False, "code": "INVALID_API_KEY"}, AuthenticationError),
        (403, {"success": False, "message": "Not authenticated"}, AuthenticationError),
        (403, {"error": {"code": "INVALID_API_KEY", "message": "x"}}, AuthenticationError),
        (403, {"message": "Video does not belong to the user"}, ForbiddenError),
        (403, b"<Error/>", ForbiddenError),
        (403, {"error": {"code": "SUBSCRIPTION_REQUIRED", "message": "x"}}, SubscriptionError),
        (402, {"success": False, "code": "SUBSCRIPTION_REQUIRED"}, SubscriptionError),
        (402, b"", SubscriptionError),
        (404, {"success": False, "message": "Video not found"}, VideoNotFoundError),
        (400, {"message": "bad"}, BadResponseError),
    ],
)
def test_an_answer_that_is_final_is_not_asked_again(status, body, error):
    with serving(lambda request: answer(body, status)) as server:
        with pytest.raises(error) as raised:
            ask(server)
    assert raised.value.status_code == status
    assert len(server.requests) == 1


CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"


@pytest.mark.parametrize("fault", [408, 425, 502, 503, 504, "reset", "cut"])
def test_a_passing_fault_is_requested_again(fault):
    def handler(request: Request):
        if request.number == 3:
            return answer(video())
        if fault == "reset":
            raise Reset
        return iter([CUT]) if fault == "cut" else answer(b"<html>", fault)

    with serving(handler) as server:
        assert ask(server) == {"id": "vid_1"}
    assert len(server.requests) == 3


def test_500_is_asked_twice_at_most_and_nobody_there_is_said():
    with serving(lambda request: answer({}, 500)) as server, pytest.raises(ServerError) as raised:
        ask(server)
    assert len(server.requests) == 2
    assert raised.value.retryable
    with pytest.raises(NetworkError, match="nothing answers at 127.0.0.1"):
        ask(server)


BAD_BODIES = {
    "html": b"<html>hello</html>",
    "empty": b"",
    "blank": b"  \n",
    "nan": b'{"id": "vid_1", "usedCredits": NaN}',
    "infinity": b'{"id": "vid_1", "usedCredits": -Infinity}',
    "nested": b"[" * 200_000,
    "long number": b'{"id": "vid_1", "usedCredits": ' + b"9" * 5000 + b"}",
    "repeated field": b'{"id": "vid_1", "id": "vid_1"}',
    "latin-1": '{"id": "vid_1", "name": "café"}'.encode("latin-1"),
    "utf-16": '{"id": "vid_1"}'.encode("utf-16"),
    "list": b"[]",
    "null": b"null",
    "text": b'"vid_1"',
    "not json": b"ok",
    "no id": b'{"success": true, "data": {}}',
    "another id": b'{"success": true, "data": {"id": "vid_2"}}',
    "success false": b'{"success": false, "data": {"id": "vid_1"}}',
}


def test_what_a_server_says_beforehand_is_passed_over_and_answers_nothing():
    def handler(request):
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        return early + b"HTTP/1.1 102 Processing\r\n\r\n" + echo(request)

    with serving(handler) as server:
        videos = fetch(server, *MANY[:20], max_workers=1)
    assert videos["video_id"].tolist() == MANY[:20]
    assert videos["fetch_error"].isna().all()
    assert server.connections == 1


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_is_no_video_is_one_row_with_the_reason(body):
    with serving(lambda request: answer(body)) as server:
        videos = fetch(server)
    assert videos["fetch_error"].tolist() == ["bad_response"]
    assert videos["fetch_error_message"].notna().all()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "record"),
    [
        ({"id": "vid_1", "status": "FAILED"}, {"id": "vid_1", "status": "FAILED"}),
        ({"id": "vid_1", "name": "x" * 100_000}, {"id": "vid_1", "name": "x" * 100_000}),
        (b'\xef\xbb\xbf{"id": "vid_1"}', {"id": "vid_1"}),
        (b'{"id": "vid_1", "name": "a\\ud800b"}', {"id": "vid_1", "name": "a\ufffdb"}),
        (b'{"id": "vid_1", "name": "\\ud83d\\ude00"}', {"id": "vid_1", "name": "\U0001f600"}),
    ],
    ids=["flat", "long", "byte order mark", "lone surrogate", "emoji"],
)
def test_a_body_that_is_odd_but_right_is_taken(body, record):
    for headers in ({}, {"Connection": "close"}):
        with serving(lambda request: answer(body, **headers)) as server:  # noqa: B023 - used here
            assert ask(server) == record


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_the_key_stays(status):
    with serving(echo) as other:
        moved = answer(b"", status, Location=f"{other.url}/v1/video/vid_1?X-Amz-Signature=s")
        with serving(lambda request: moved) as server, pytest.raises(BadResponseError) as raised:
            ask(server)
        assert other.requests == []
    assert "X-Amz-Signature" not in str(raised.value)


def test_no_cookie_is_kept_and_no_netrc_read(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    def handler(request: Request):
        video_id = request.path.rsplit("/", 1)[-1]
        return answer(video(video_id), Set_Cookie=f"seen={video_id}")

    with serving(handler) as server:
        fetch(server, *MANY)
    assert not any({"cookie", "authorization"} & set(r.headers) for r in server.requests)


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """TLS for a server of this machine, by an authority that the environment's bundle holds."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    return context


@pytest.fixture
def proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(lambda request: answer(video(), 502)) as server:
        for name in ("http_proxy", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, server.url)
        yield server


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_what_runs_on_this_machine_is_never_reached_by_a_proxy(scheme, host, proxy, bundled):
    with serving(echo, bundled if scheme == "https" else None) as server:
        url = server.url.replace("127.0.0.1", host)
        with HookedClient(CANARY, base_url=url, timeout_seconds=5) as client:
            assert client.get_video("vid_1")["id"] == "vid_1"
    assert proxy.connections == 0


def test_https_elsewhere_is_tunnelled_and_the_proxy_sees_no_key(proxy):
    with HookedClient(CANARY, base_url="https://api.example", max_attempts=1) as client:
        with pytest.raises(NetworkError, match="proxy"):
            client.get_video("vid_1")
    [request] = proxy.requests
    assert request.path == "api.example:443"
    assert CANARY not in str(request.headers)


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("HTTPS_PROXY", "socks5://127.0.0.1:9", "pip install 'requests"),
        *[
            ("HTTPS_PROXY", wrong, "http://host:port")
            for wrong in ("http://", " ", "ftp://p:1", f"http://u:{CANARY}@[bad", "http://p:99999")
        ],
        ("REQUESTS_CA_BUNDLE", "/nowhere/authority.pem", "correct the path"),
    ],
)
def test_an_environment_without_a_way_out_is_named_with_the_remedy(
    variable, value, remedy, monkeypatch
):
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=variable) as raised:
        HookedClient(CANARY, base_url="https://api.example")
    assert remedy in str(raised.value)
    within = raised.value.with_traceback(raised.value.__traceback__.tb_next)
    assert CANARY not in full_traceback(within)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer(b"", 407), "the proxy on the way to api.example refused"),
        ([echo(Request("/vid_1", {}, 1))], "certificate of api.example|broke before"),
        (b"\0\1 hello\r\n\r\n", "broke before the response was complete"),
        ([b"H"] * 1000, "no full response within 0.5 s"),
        (None, "no full response within 0.5 s"),
    ],
    ids=["refusal", "forged", "garbage", "drip", "silence"],
)
def test_whatever_a_proxy_answers_is_one_error_in_time(said, why, monkeypatch):
    def handler(request):
        return (time.sleep(0.02) or piece for piece in said) if isinstance(said, list) else said

    monkeypatch.delenv("https_proxy", raising=False)
    with serving(handler) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url.replace("//", f"//user:{CANARY}@"))
        options = {"base_url": "https://api.example", "max_attempts": 1, "timeout_seconds": 1}
        began = time.monotonic()
        with HookedClient("key-1", **options) as client:
            with pytest.raises(NetworkError, match=why) as raised:
                client.get_video("vid_1")
        assert time.monotonic() - began < 10
    assert CANARY not in full_traceback(raised.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connections_are_kept_and_no_more_than_workers(scheme, bundled):
    context = bundled if scheme == "https" else None
    with serving(echo, context) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        videos = fetch(server, *MANY, max_workers=8)
    assert videos["fetch_error"].isna().all()
    assert server.connections <= 8


@pytest.mark.parametrize("bundle", ["", "/etc/hostname"])
def test_https_with_a_certificate_nobody_knows_sends_nothing(bundled, monkeypatch, bundle):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    says = "certificate of .* not accepted; .* REQUESTS_CA_BUNDLE"
    with serving(echo, bundled) as server, pytest.raises(NetworkError, match=says):
        ask(server, max_attempts=1)
    assert server.requests == []


def test_https_to_a_server_without_it_is_said():
    with Sandbox(videos=1) as server, pytest.raises(NetworkError, match="does not speak https"):
        HookedClient("k", base_url=f"https{server.url[4:]}", max_attempts=1).get_video("vid_1")


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"",
        None,
    ],
    ids=["body", "chunks", "until closed", "headers", "silence"],
)
def test_an_answer_that_drips_ends_within_the_limit(whole):
    drops = [b"1\r\n \r\n"] if b"chunked" in (whole or b"") else [b" "]
    if whole == b"":
        drops = [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500]

    def drip(request: Request):
        yield whole
        for number in range(500):
            time.sleep(0.05)
            yield drops[number % len(drops)]

    with serving(drip if whole is not None else lambda request: None) as server:
        began = time.monotonic()
        with pytest.raises(NetworkError) as raised:
            ask(server, timeout_seconds=0.3)
    assert raised.value.kind == "timeout"
    assert time.monotonic() - began < 10


def test_the_time_left_by_one_answer_does_not_shorten_the_next():
    def slow_then_quick(request: Request):
        time.sleep(0.9 if request.number == 1 else 0.3)
        return answer(video())

    with serving(slow_then_quick) as server:
        with HookedClient(CANARY, base_url=server.url, timeout_seconds=2) as client:
            assert client.get_video("vid_1") == client.get_video("vid_1")
    assert server.connections == 1


def test_an_endless_body_is_refused_early(monkeypatch):
    monkeypatch.setattr(transport, "MAX_VIDEO_BYTES", 100_000)
    sent = []

    def endless(request: Request):
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            sent.append(1)
            yield b" " * 10_000

    with serving(endless) as server, pytest.raises(BadResponseError, match="larger than"):
        ask(server)
    assert len(sent) < 1000


def test_429_pauses_and_is_no_failed_attempt():
    def handler(request: Request):
        return answer({}, 429, Retry_After="0.05") if request.number < 6 else answer(video())

    with serving(handler) as server:
        assert ask(server, max_attempts=1) == {"id": "vid_1"}
    assert len(server.requests) == 6


def test_429_with_a_long_wait_says_until_when_and_nobody_sends_more():
    with serving(lambda request: answer({}, 429, Retry_After="3600")) as server:
        with HookedClient(
            CANARY, base_url=server.url, requests_per_minute=None, max_workers=4
        ) as client:
            videos = fetch_videos(MANY, client=client)
            with pytest.raises(RateLimitError, match=r"after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"):
                client.get_video("vid_1")
    assert videos["fetch_error"].tolist() == ["rate_limited"] * len(MANY)
    assert len(server.requests) <= 4


NO_BASE_URLS = [
    "http://api.hooked.so", "http://127.0.0.1.example.com", "http://10.0.0.1", "http://2130706433",
    "http://127.0.0.1%40evil.example/", "ftp://api.hooked.so", "api.hooked.so",
    "https://user:pass@api.hooked.so", "https://@api.hooked.so", "https://api.hooked.so?x=1",
    "https://api.hooked.so?", "https://api hooked.so", "https://api.hook\ned.so",
    "https://api.hooked.so/a b", "https://api.hooked.so/../x", "https://api..hooked.so",
    "https://evil.example\\@api.hooked.so", 5, b"https://api.hooked.so",
]  # fmt: skip


@pytest.mark.parametrize("base_url", NO_BASE_URLS)
def test_a_base_url_the_key_must_not_go_to(base_url):
    with pytest.raises(ValueError, match="base_url"):
        HookedClient(CANARY, base_url=base_url)


@pytest.mark.parametrize(
    "base_url",
    ["http://localhost:8787", "http://127.0.0.1", "http://[::1]:80", "https://x.y/api",
     "https://hooked_proxy:8443"],
)  # fmt: skip
def test_a_base_url_is_taken_with_a_slash_or_a_version_behind_it(base_url):
    for given in (base_url, f"{base_url}/", f"{base_url}/v1/"):
        assert HookedClient(CANARY, base_url=given).base_url == base_url


@pytest.mark.parametrize(
    ("date", "seen_at"),
    [
        ("Mon, 15 Jan 2024 12:00:00 GMT", "2024-01-15 12:00:00.500000+00:00"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Mon, 01 Jan 1900 00:00:00 GMT", None),
        ("soon", None),
        (None, None),
    ],
)
def test_a_possible_date_of_the_server_is_its_clock_else_ours_and_said(date, seen_at):
    headers = {"Date": date} if date else {}
    with serving(lambda request: answer(video(), **headers)) as server:
        videos = fetch(server)
    issue = videos["data_issues"].iloc[0]
    if seen_at is None:
        assert issue == "local_clock"
    else:
        assert pd.isna(issue)
        assert str(videos["fetched_at"].iloc[0]) == seen_at


ITEMS = [{"id": "a1", "name": "Ada"}, {"id": "a2", "name": "Bo"}]


@pytest.mark.parametrize(
    ("method", "given", "path", "body"),
    [
        ("list_avatars", {}, "/v1/avatar/list", {"avatars": ITEMS}),
        ("list_avatars", {"type": "custom"}, "/v1/avatar/list?type=custom", ITEMS),
        ("list_voices", {}, "/v1/voice/list", {"success": True, "data": ITEMS}),
        ("list_music", {}, "/v1/music/list", {"success": True, "data": {"music": ITEMS}}),
    ],
)
def test_a_list_of_names_is_one_request_whatever_its_shape(method, given, path, body):
    with serving(lambda request: answer(body)) as server:
        with HookedClient(CANARY, base_url=server.url) as client:
            assert getattr(client, method)(**given) == ITEMS
    assert [request.path for request in server.requests] == [path]


def test_a_list_of_names_that_is_missing_or_no_list_says_so():
    with serving(lambda request: answer({}, 404)) as server:
        with HookedClient(CANARY, base_url=server.url) as client:
            with pytest.raises(VideoNotFoundError):
                client.list_voices()
            with pytest.raises(ValueError, match="library"):
                client.list_avatars(type="mine")
            server.handler = lambda request: answer({"voices": "none"})
            with pytest.raises(BadResponseError, match="holds no voices"):
                client.list_voices()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("max_workers", wrong) for wrong in (0, "5", 2.5, True, 10**9)],
        *[("max_attempts", wrong) for wrong in (0, "3", None)],
        *[("requests_per_minute", wrong) for wrong in (0, "60", float("inf"), float("nan"), True)],
        *[
            ("timeout_seconds", wrong)
            for wrong in (0, float("inf"), float("nan"), "5", None, 1e300)
        ],
        *[("video_id_pattern", wrong) for wrong in ("(", 5)],
    ],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"^{name} is"):
        HookedClient(CANARY, **{name: value})


@pytest.mark.parametrize(
    ("said", "limit"),
    [("90", 90), ("", 60), ("7.5", 7.5), *[(bad, None) for bad in ("many", "0", "inf", "nan")]],
)
def test_the_limit_of_the_environment_is_used_where_none_is_given(said, limit, monkeypatch):
    monkeypatch.setenv("HOOKED_REQUESTS_PER_MINUTE", said)
    assert HookedClient(CANARY, requests_per_minute=50).requests_per_minute == 50
    assert HookedClient(CANARY, requests_per_minute=None).requests_per_minute is None
    if limit is None:
        with pytest.raises(ValueError, match="HOOKED_REQUESTS_PER_MINUTE"):
            HookedClient(CANARY)
    else:
        assert HookedClient(CANARY).requests_per_minute == limit


def test_niquests_in_place_of_urllib3_is_named():
    code = "import urllib3; urllib3.__version__ = '2.25.904'; import hooked_analytics.client"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: urllib3 2.25.904 is urllib3-future, which the package niquests" in (
        done.stderr
    )


def test_requests_waits_retries_and_refusals_are_logged_without_a_key_or_query(caplog):
    statuses = iter([503, 429, 200])

    def handler(request: Request):
        return answer(video(), next(statuses), Retry_After="0.01")

    with caplog.at_level("DEBUG", logger="hooked_analytics"), serving(handler) as server:
        ask(server)
        server.handler = lambda request: answer({"videos": []})
        with HookedClient(CANARY, base_url=server.url) as client:
            list(client.list_videos(type="hook"))
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    for level, start in [
        ("DEBUG", "GET vid_1: 503 after 0."),
        ("INFO", "vid_1: 503, attempt 2 follows in "),
        ("INFO", "HTTP 429: every request waits 0.01 s"),
        ("DEBUG", "GET vid_1: 200 after 0."),
        ("DEBUG", "GET /v1/video/list: 200 after 0."),
    ]:
        assert any(said[0] == level and said[1].startswith(start) for said in told), start
    assert not any(CANARY in said or "?" in said for _, said in told)
