"""A panel in a real kernel: it is deaf to nothing, leaves nothing behind, and says nothing."""

from __future__ import annotations

import re
import time

import pytest

from hooked_analytics import Sandbox
from tests.panel.notebook_kernel import kernel, panel, until


def silent(sandbox: Sandbox) -> bool:
    """Whether no request comes in ten intervals; a busy machine may take a while to get there."""
    before = len(sandbox.requests_seen)
    time.sleep(1)
    return len(sandbox.requests_seen) == before


def sent_kinds(k, seconds: float) -> set[str]:
    """What the panel sends to its pages meanwhile."""
    k.messages.clear()
    k.listen(seconds)
    messages = [message["data"] for message in k.of("comm_msg")]
    return {each["content"]["kind"] for each in messages if each["method"] == "custom"}


@pytest.mark.parametrize("busy", [False, True], ids=["between cells", "in another cell"])
def test_the_stop_button_of_the_kernel_ends_it_within_a_second(tmp_path, busy):
    with Sandbox(videos=1) as sandbox, kernel(tmp_path) as k:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(2)]
        k.run(panel(sandbox, ids))
        until(lambda: len(sandbox.requests_seen) > 3)
        k.run("1")
        time.sleep(0.5)  # between cells the handler is put in front a moment later
        if busy:
            k.send("import time; print('begun'); time.sleep(60)")
            k.hear("begun")
        asked = len(sandbox.requests_seen)
        until(lambda: len(sandbox.requests_seen) > asked)
        k.manager.interrupt_kernel()
        until(lambda: silent(sandbox))
        if busy:
            k.settle()
        k.run("assert panel.state == 'stopped'")
        k.run("import threading; assert 'hooked-panel' not in str(threading.enumerate())")


def test_a_closed_panel_leaves_no_widget_and_no_thread(tmp_path):
    with Sandbox(videos=1) as sandbox, kernel(tmp_path) as k:
        ids = [sandbox.create_video("class", render_seconds=9000)]
        setup = panel(sandbox, ids).removesuffix("panel\n")  # a kernel keeps what it displays
        k.run(setup)
        k.run("first, ended = panel, ha.ProgressPanel('vid_abc123', client=client)")
        k.run("ended.wait(); ended.close()")
        k.run(setup)
        k.run(
            "assert (first.state, panel.state) in {('replaced', s) for s in ('polling', 'waiting')}"
        )
        k.run("panel.close(); import gc, time, weakref; time.sleep(.5)")
        k.run("left = [weakref.ref(each) for each in (first, ended, panel)]")
        k.run("del first, ended, panel; gc.collect()")
        k.run("import ipywidgets; assert not ipywidgets.Widget.get_manager_state()['state']")
        k.run("import threading; assert 'hooked-panel' not in str(threading.enumerate())")
        k.run("assert [ref() for ref in left] == [None] * 3, gc.get_referrers(left[0]())")


def test_an_interrupt_of_wait_stops_it_and_the_next_start_goes_on(tmp_path):
    with Sandbox(videos=1) as sandbox, kernel(tmp_path) as k:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(2)]
        k.run(panel(sandbox, ids))
        k.send("print('begun'); panel.wait()")
        k.hear("begun")
        time.sleep(0.5)
        k.manager.interrupt_kernel()
        until(lambda: silent(sandbox))
        k.settle()
        asked = len(sandbox.requests_seen)
        k.run("panel.start()")
        until(lambda: len(sandbox.requests_seen) > asked)


def test_the_kernel_exits_while_it_polls(tmp_path):
    with Sandbox(videos=1) as sandbox, kernel(tmp_path) as k:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(2)]
        k.run(panel(sandbox, ids))
        until(lambda: len(sandbox.requests_seen) > 3)
        k.client.shutdown()
        until(lambda: not k.manager.is_alive(), 10)
        assert silent(sandbox)


def test_a_page_that_reloads_gets_all_rows_though_its_hello_is_lost(tmp_path):
    with Sandbox(videos=1) as sandbox, kernel(tmp_path) as k:
        ids = [sandbox.create_video("class", render_seconds=900) for _ in range(2)]
        k.run(panel(sandbox, ids))
        k.run("panel._received({'kind': 'hello'})")
        until(lambda: "all" not in sent_kinds(k, 2))
        k.ask_for_widgets()
        until(lambda: "all" in sent_kinds(k, 2))


def test_the_thread_says_nothing_and_a_static_copy_is_kept(tmp_path):
    with Sandbox(videos=1, time_scale=60) as sandbox, kernel(tmp_path) as k:
        ids = [sandbox.create_video("class", render_seconds=s, fails=False) for s in (30, 90)]
        k.run(panel(sandbox, ids))
        k.run("panel")
        k.listen(4)
        k.run("videos = panel.wait(30)")
        k.listen(3)
        assert not k.of("stream", "error", "clear_output")
        views = [m for m in k.of("display_data") if "application/vnd.jupyter.widget-view+json"
                 in m["data"]]  # fmt: skip
        assert len(views) == 2
        assert "2 completed" in k.static[-1]
        assert "data:image/png" in k.static[-1]
        assert not re.search("http|<script", k.static[-1])
        kinds = {message["msg_type"] for message in k.messages}
        assert kinds <= {"status", "execute_input", "execute_result", "display_data",
                         "update_display_data", "comm_open", "comm_msg"}  # fmt: skip
        sent = [message for message in k.messages if message["msg_type"] != "execute_input"]
        assert sandbox.api_key not in str(sent)
