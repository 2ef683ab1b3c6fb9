"""Where links may lead, without the key."""

from __future__ import annotations

import logging
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from hooked_analytics import HookedClient, download_videos
from hooked_analytics.download.downloader import LinkRules
from tests.download.film_server import (
    FILM,
    SECRET,
    SHA256,
    api,
    cut_first,
    download,
    frame,
    kinds,
    local,
    names,
    only,
    part_of,
)
from tests.scripted import answer, serving

NEVER = {
    "plain http": "http://s3.amazonaws.com/hooked-videos/v.mp4",
    "private": "https://10.0.0.7/v.mp4",
    "metadata": "http://169.254.169.254/latest/meta-data",
    "link-local": "https://169.254.169.254/latest/meta-data",
    "mapped": "https://[::ffff:10.0.0.7]/v.mp4",
    "number": "https://0x7f.1/v.mp4",
    "intranet": "https://intranet/v.mp4",
    "internal": "https://metadata.google.internal/v.mp4",
    "user": "https://s3.amazonaws.com@example.com/v.mp4",
    "backslash": "https://example.com\\@s3.amazonaws.com/v.mp4",
    "file": "file:///etc/passwd",
    "space": "https://files.hooked.so/ v.mp4",
    "newline": "https://files.hooked.so/v.mp4\r\nx-evil: 1",
    "port": "https://files.hooked.so:0/v.mp4",
}
FOREIGN = "https://example.com/v.mp4"
NOT_HANDED_OVER = {
    "foreign": FOREIGN,
    "look-alike": "https://hooked.so.example.com/v.mp4",
    "glued": "https://evilhooked.so/v.mp4",
    "bucket": "https://s3.amazonaws.com/evil/v.mp4",
    "bucket host": "https://evil.s3.amazonaws.com/v.mp4",
    "bucket glued": "https://evil-hooked-videos.s3.amazonaws.com/v.mp4",
    "region": "https://hooked-videos.s3.evil.amazonaws.com/v.mp4",
    "dots": "https://s3.amazonaws.com/hooked-videos/../evil/v.mp4",
    "hidden dots": "https://s3.amazonaws.com/hooked-videos/%2e%2e%2fevil/v.mp4",
}


def leads(monkeypatch, *addresses: str) -> list[str]:
    """Let every name lead to *addresses*, one after the other; the names looked up."""
    looked_up, left = [], list(addresses)
    real = socket.getaddrinfo

    def resolve(host, port, *rest, **more):
        if host[0].isdigit() or ":" in host:
            return real(host, port, *rest, **more)
        looked_up.append(host)
        return real(left.pop(0), port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return looked_up


@pytest.mark.parametrize("url", (both := NEVER | NOT_HANDED_OVER).values(), ids=both)
def test_a_link_handed_over_that_leads_elsewhere_is_replaced_by_a_fresh_one(
    url, tmp_path, monkeypatch
):
    looked_up = leads(monkeypatch)
    with serving(api(None)) as server, local(server) as client:
        videos = frame("http://x").assign(url=url)
        row = only(download_videos(videos, tmp_path, client=client))
    assert (row["error"], looked_up) == (None, [])
    assert kinds(server.requests) == ["v1", "f"]


@pytest.mark.parametrize("url", NEVER.values(), ids=NEVER)
def test_a_fresh_link_to_what_is_not_public_is_refused(url, tmp_path, monkeypatch):
    looked_up = leads(monkeypatch)
    row, requests = download(api(url), tmp_path, url=FOREIGN)
    assert (row["error"], looked_up, names(tmp_path)) == ("link_refused", [], [])
    assert kinds(requests) == ["v1"]


@pytest.mark.parametrize("hosts", [[], ["*.hooked.so", "*.amazonaws.com"]])
@pytest.mark.parametrize(
    "place",
    [
        "files.hooked.so/v.mp4",
        "s3.amazonaws.com/hooked-videos/v.mp4",
        "hooked-videos.s3.amazonaws.com/v.mp4",
        "hooked-videos.s3.us-east-1.amazonaws.com/v.mp4",
    ],
)
def test_hookeds_own_places_need_no_fresh_link(place, hosts):
    url = f"https://{place}?X-Amz-Signature=1"
    link = LinkRules(hosts, is_local=False).check(url, is_fresh=False)
    assert link.host + link.path == place


@pytest.mark.parametrize("given", [True, False])
def test_allowed_hosts_are_the_only_ones_for_both_kinds_of_link(given, tmp_path, monkeypatch):
    looked_up = leads(monkeypatch, "10.0.0.7", "10.0.0.7")
    row, requests = download(
        api("https://other.example/v.mp4"),
        tmp_path,
        settings={"allowed_hosts": ["cdn.example"]},
        url=f"https://{'cdn.example' if given else 'files.hooked.so'}/v.mp4",
    )
    assert row["error"] == "link_refused"
    assert "other.example" in row["error_message"]
    assert "allowed_hosts" in row["error_message"]
    assert looked_up == ["cdn.example"] * given  # widened for the link that was handed over
    assert kinds(requests) == ["v1"]


def test_this_machine_is_for_clients_of_this_machine(tmp_path):
    with serving(part_of) as server:
        for rules in (LinkRules((), is_local=True), LinkRules(["127.0.0.1"], is_local=False)):
            assert rules.check(server.url, is_fresh=False).is_loopback
        for is_fresh in (False, True):
            with pytest.raises(Exception, match="127.0.0.1"):
                LinkRules((), is_local=False).check(server.url, is_fresh=is_fresh)


@pytest.mark.parametrize(
    "to",
    ["http://169.254.169.254/", "https://10.0.0.7/x", "file:///x", "ftp://files.hooked.so/v.mp4",
     "//intranet/v.mp4", "//[x", ""],
)  # fmt: skip
def test_redirects_are_judged_like_links(to, tmp_path):
    row, requests = download(api(None, lambda r: answer(b"", 302, Location=to)), tmp_path)
    assert row["error"] == "link_refused"
    assert len(requests) == (3 if to else 9)  # the link, a fresh one, and where that leads
    assert SECRET not in row["error_message"]


def test_a_link_handed_over_is_passed_on_to_hooked_only(tmp_path, monkeypatch):
    looked_up = leads(monkeypatch)

    def files(request):
        if request.path.endswith("fresh"):
            return part_of(request)
        return answer(b"", 302, Location="https://example.com/v.mp4")

    row, requests = download(api(None, files), tmp_path)
    assert (row["error"], looked_up, len(requests)) == (None, [], 3)


def test_three_redirects_are_followed_and_no_more(tmp_path):
    def files(request):
        hop = int(request.path.rpartition("=")[2]) if "hop=" in request.path else 0
        return answer(b"", 302, Location=f"/f?hop={hop + 1}") if hop < limit else part_of(request)

    limit = 3
    row, requests = download(api(None, files), tmp_path / "a")
    assert (row["error"], len(requests)) == (None, 4)
    limit = 4
    row, requests = download(api(None, files), tmp_path / "b")
    assert (row["error"], len(requests)) == ("link_refused", 9)


@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1", "fd00::1", "64:ff9b::a00:7"])
def test_a_name_that_leads_into_a_private_network_is_refused(address, tmp_path, monkeypatch):
    leads(monkeypatch, address)
    row, _ = download(api("https://cdn.example/v.mp4"), tmp_path, url=FOREIGN)
    assert row["error"] == "link_refused"
    assert f"cdn.example leads into a private network ({address})" in row["error_message"]


def test_what_is_connected_to_is_the_address_that_was_checked(tmp_path, monkeypatch):
    """A name that answers differently each time gains nothing."""
    leads(monkeypatch, "52.216.1.1", "127.0.0.1", "127.0.0.1")
    tried = []

    def connect(self, address):
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr("hooked_analytics.download.worker.MAX_ATTEMPTS", 1)
    with HookedClient("key") as client:
        row = only(download_videos(frame("https://files.hooked.so"), tmp_path, client=client))
    assert (row["error"], tried) == ("network", ["52.216.1.1"])


def test_the_key_and_cookies_stay_away_and_the_signature_shows_nowhere(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    def handler(request):
        if request.number == 1:
            return cut_first(request)
        if request.number == 4:
            return answer(b"no", 404)
        return part_of(request, Set_Cookie="who=me", Connection="close")

    with serving(handler) as server, local(server) as client:
        videos = frame(server.url, "vid_1", "vid_2", "vid_3")
        files = download_videos(videos, tmp_path, client=client, max_workers=1)
    assert files["error"].fillna("").tolist() == ["", "", "not_found"]
    for request in server.requests:
        assert request.path.endswith(f"?X-Amz-Signature={SECRET}")
        assert not {"x-api-key", "cookie", "authorization"} & set(request.headers)
        assert not [name for name in request.headers if name.startswith("x-hooked")]
        assert "canary" not in str(request.headers)
    assert "canary" not in files.to_csv() + caplog.text
    assert "urllib3" in caplog.text  # so the log was really on
    ours = [r for r in caplog.records if r.name == "hooked_analytics.download"]
    assert ours[0].getMessage() == f"vid_1: resumed at 1500 of {len(FILM)} bytes"


def tls_for(name: str, bundle: Path, monkeypatch) -> ssl.SSLContext:
    """A server's certificate for *name*, known to those who use the environment's bundle."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return context


def test_https_with_interruptions_and_kept_connections(tmp_path, monkeypatch):
    context = tls_for("127.0.0.1", tmp_path / "ca.pem", monkeypatch)
    ids = [f"vid_{n}" for n in range(12)]
    with serving(cut_first, context) as server, local(server) as client:
        files = download_videos(frame(server.url, *ids), tmp_path / "f", client=client)
    assert files["sha256"].tolist() == [SHA256] * 12
    assert files["resumed"].sum() == 1
    assert server.connections <= 6


@pytest.mark.parametrize("certified", ["cdn.example", "127.0.0.1"])
def test_a_fresh_link_may_lead_to_any_host_with_the_certificate_of_its_name(
    certified, tmp_path, monkeypatch
):
    context = tls_for(certified, tmp_path / "ca.pem", monkeypatch)
    leads(monkeypatch, *["127.0.0.1"] * 3)
    monkeypatch.setattr("hooked_analytics.download.downloader.is_public", lambda address: True)
    with serving(part_of, context) as files:
        host = f"cdn.example:{files.url.rpartition(':')[2]}"
        row, _ = download(api(f"https://{host}/v.mp4"), tmp_path / "f", url=FOREIGN)
    if certified == "127.0.0.1":
        assert (row["error"], files.requests) == ("network", [])
        assert "certificate" in row["error_message"]
    else:
        assert row["error"] is None
        assert files.requests[0].headers["host"] == host
        assert "x-api-key" not in files.requests[0].headers


def test_a_proxy_looks_names_up_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("hooked_analytics.download.downloader._checked_addresses", pytest.fail)
    with serving(lambda request: answer(b"", 502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with HookedClient("key") as client:
            row = only(download_videos(frame("https://files.hooked.so"), tmp_path, client=client))
    assert {request.path for request in proxy.requests} == {"files.hooked.so:443"}
    assert row["error"] == "network"
    assert "the proxy" in row["error_message"]
