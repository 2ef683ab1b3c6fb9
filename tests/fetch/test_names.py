"""Names instead of ids: one request for each list, ids without a name keep their row."""

from __future__ import annotations

import pandas as pd
import pytest

from hooked_analytics import HookedClient, Sandbox, VideoArchive, add_names
from hooked_analytics.errors import AuthenticationError

IDS = pd.DataFrame(
    {
        "video_id": ["vid_1", "vid_2", "vid_3"],
        "avatar_id": ["avatar_sarah_01", "avatar_of_nobody", None],
        "voice_id": ["tzX5paJ07p5hyWFcU3uG"] * 3,
    }
)


@pytest.fixture
def sandbox():
    with Sandbox(videos=2) as running:
        yield running


def test_names_are_joined_and_ids_without_one_keep_their_row(sandbox):
    with sandbox.client() as client:
        named = add_names(IDS, client=client)
    assert named["avatar_name"].fillna("-").tolist() == ["Sarah", "-", "-"]
    assert named["voice_language"].tolist() == ["English"] * 3
    assert "music_name" not in named
    assert "avatar_name" not in IDS
    # a frame without music needs no list of music
    assert sandbox.request_counts["other"] == 2


def test_an_archive_keeps_the_names(sandbox, tmp_path):
    archive = VideoArchive(tmp_path / "archive")
    with sandbox.client() as client:
        first = add_names(IDS, client=client, archive=archive)
        again = add_names(IDS, client=client, archive=archive)
        pd.testing.assert_frame_equal(first, again)
        assert sandbox.request_counts["other"] == 2
        add_names(IDS.assign(avatar_id="avatar_new"), client=client, archive=archive)
        assert sandbox.request_counts["other"] == 3
    assert [path.name for path in archive.directory.glob("*.json")] == ["_names.json"]
    assert archive.videos().empty


def test_a_file_of_names_that_makes_no_sense_is_as_none(sandbox, tmp_path):
    archive = VideoArchive(tmp_path)
    for text in ("{", "[]", '{"avatar_id": 7}', '{"avatar_id": {"a": 1}}'):
        (tmp_path / "_names.json").write_text(text)
        with sandbox.client() as client:
            named = add_names(IDS, client=client, archive=archive)
        assert named["avatar_name"][0] == "Sarah"


def test_a_list_that_is_missing_costs_its_names_and_one_warning():
    with Sandbox(videos=1) as sandbox:
        url = sandbox.url
    with (
        HookedClient("k" * 20, base_url=url, max_attempts=1) as client,
        pytest.warns(UserWarning, match="no names for avatar_id") as told,
    ):
        named = add_names(IDS[["video_id", "avatar_id"]], client=client)
    assert len(told) == 1
    assert named["avatar_name"].isna().all()


def test_a_refused_key_is_an_error(sandbox):
    with (
        HookedClient("wrong" * 5, base_url=sandbox.url) as client,
        pytest.raises(AuthenticationError),
    ):
        add_names(IDS, client=client)
