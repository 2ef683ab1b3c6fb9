"""A secret is found wherever it lies, and the place is told without any part of it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hooked_analytics.leaks import check_files
from hooked_analytics.leaks.forms import KeyForms
from tests.planting import FORMATS, NOISE, WRITINGS

ROOT = Path(__file__).parent.parent
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
ANY_KEY = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=64)
PLAIN_KEY = st.text(LETTERS + "_-", min_size=24, max_size=64).filter(str.isascii)


def pieces(key: str, said: str) -> list[str]:
    """Six characters of the key in a row that were said."""
    return [key[at : at + 6] for at in range(len(key) - 5) if key[at : at + 6] in said]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25)
@given(key=ANY_KEY | PLAIN_KEY, writing=st.sampled_from(list(WRITINGS)))
def test_the_key_is_found_in_every_format_and_writing(tmp_path_factory, name, key, writing):
    path = tmp_path_factory.mktemp("shared") / name
    # base64 of base64 is no accident
    FORMATS[name](path, WRITINGS["plain" if "picture" in name else writing](key))
    checked = check_files([path], KeyForms(key))
    assert len(checked.leaks) >= 1, (key, writing)
    assert checked.unread == []
    assert pieces(key, " ".join(checked.leaks).replace(str(path), "")) == []
