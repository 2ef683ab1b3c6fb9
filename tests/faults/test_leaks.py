"""The search for secrets finds them wherever one was put."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from urllib.parse import quote

import pytest

from hooked_analytics import export_videos, videos_from_records
from tests.faults.leaks import leaks

SECRET = "canary+key/9c2f=41"
IN_BASE64 = [base64.b64encode(b"." * n + SECRET.encode()).decode() for n in range(3)]
HIDDEN = [SECRET, quote(SECRET, safe=""), *IN_BASE64]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx", "pickle"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_secret_in_a_file_is_found(tmp_path, suffix, hidden):
    videos = videos_from_records([{"id": "vid_1", "name": f"before {hidden} after"}] * 1)
    path = tmp_path / "deep" / f"videos.{suffix}"
    path.parent.mkdir()
    if suffix == "pickle":
        path.write_bytes(pickle.dumps(videos))
    else:
        export_videos(videos, path)
    assert leaks(SECRET, tmp_path)
    assert not leaks("canary-of-another", tmp_path)


def test_a_secret_in_a_name_an_error_or_an_attribute_is_found(tmp_path):
    error = ValueError("it is " + SECRET)
    holder = type("Holder", (), {})()
    holder.key = SECRET
    (tmp_path / quote(SECRET, safe="")).touch()
    assert leaks(SECRET, error, holder, {"x": [SECRET]}) == ["ValueError", "Holder", "dict"]
    assert leaks(SECRET, tmp_path)
    assert leaks(SECRET, Path(__file__)) == ["test_leaks.py"]
