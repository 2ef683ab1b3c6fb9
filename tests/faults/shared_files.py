"""Keys planted in files of every kind in every writing, and files without any, checked."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hooked_analytics.secrets_scan import SearchedKeys, check_files
from tests.planting import FORMATS, WRITINGS

VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


def drawn_key(draw: random.Random) -> str:
    signs = draw.choice([VISIBLE, LETTERS])
    return "".join(draw.choices(signs, k=draw.randint(16, 64)))


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Plant *count* keys, check each file for its key and for another, read what is said."""
    draw = random.Random(seed)
    found, shown, false_alarms, named = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(count):
            name, writing = draw.choice(list(FORMATS)), draw.choice(list(WRITINGS))
            key, other = drawn_key(draw), drawn_key(draw)
            path = Path(folder, f"{turn}-{name}")
            # base64 of base64 is no accident
            FORMATS[name](path, WRITINGS["plain" if "picture" in name else writing](key))
            checked = check_files([path], SearchedKeys(key))
            said = " ".join(checked.leaks + checked.unread)
            found += bool(checked.leaks)
            shown += any(key[at : at + 6] in said for at in range(len(key) - 5))
            false_alarms += bool(check_files([path], SearchedKeys(other)).leaks)
            drawn = "7" + "".join(draw.choices(LETTERS[:62], k=31))
            FORMATS[name](path, f'x-api-key: "{drawn}"')
            # a picture is searched for the key itself; without one it is not taken apart
            named += "picture" in name or bool(check_files([path], None).leaks)
            path.unlink()
    return {
        "keys planted": count,
        "not found": count - found,
        "not found by their name": count - named,
        "pieces of a key shown": shown,
        "false alarms": false_alarms,
    }
