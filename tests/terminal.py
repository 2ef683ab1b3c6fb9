"""What a command says to a person: a terminal of 24 lines and 80 columns."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import termios


def said_on_a_terminal(*command: str) -> str:
    """Run a command on a terminal to its end; gives all that came, on both streams."""
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 80))
    process = subprocess.Popen(command, stdout=child, stderr=child)
    os.close(child)
    said = b""
    with contextlib.suppress(OSError):  # how Linux says that nobody is on the other side
        while chunk := os.read(parent, 4096):
            said += chunk
    os.close(parent)
    assert process.wait(60) == 0
    return said.decode()
