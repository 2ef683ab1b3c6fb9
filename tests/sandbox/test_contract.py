"""The sandbox keeps the API's OpenAPI block, and a stricter contract of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import schemathesis

from hooked_analytics import Sandbox

HERE = Path(__file__).parent
QUIET = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=list(hypothesis.HealthCheck),
)

documented = schemathesis.openapi.from_path(HERE / "openapi.yaml")
strict = schemathesis.openapi.from_path(HERE / "openapi-strict.yaml")


@pytest.fixture(scope="module")
def flat() -> Iterator[Sandbox]:
    with Sandbox(faults={"flat": 1.0}, time_scale=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def enveloped() -> Iterator[Sandbox]:
    with Sandbox(time_scale=0) as sandbox:
        yield sandbox


def check(case, sandbox: Sandbox) -> None:
    case.call_and_validate(base_url=sandbox.url, headers={"x-api-key": sandbox.api_key})


def check_generated(case, sandbox: Sandbox) -> None:
    # a case without the header is judged as one without, so it must not get one here
    headers = {"x-api-key": sandbox.api_key} if "x-api-key" in (case.headers or {}) else {}
    case.call_and_validate(base_url=sandbox.url, headers=headers)


@documented.parametrize()
@QUIET
def test_generated_requests_keep_the_documented_schema(case, flat: Sandbox) -> None:
    check_generated(case, flat)


@strict.parametrize()
@QUIET
def test_generated_requests_keep_the_strict_schema(case, enveloped: Sandbox) -> None:
    check_generated(case, enveloped)


def some_ids(sandbox: Sandbox) -> list[str]:
    # the oldest, a good part of the history, all that is rendering, another team's, none at all
    return [
        *sandbox.video_ids[:40],
        *sandbox.video_ids[-9:],
        *sandbox.other_team_video_ids,
        "vid_no",
    ]


def test_every_kind_of_video_keeps_the_documented_schema(flat: Sandbox) -> None:
    operation = documented["/v1/video/{videoId}"]["GET"]
    for video_id in some_ids(flat):
        check(operation.Case(path_parameters={"videoId": video_id}), flat)


def test_every_kind_of_video_keeps_the_strict_schema(enveloped: Sandbox) -> None:
    operation = strict["/v1/video/{videoId}"]["GET"]
    for video_id in some_ids(enveloped):
        check(operation.Case(path_parameters={"videoId": video_id}), enveloped)


def test_a_planted_slip_is_found() -> None:
    operation = strict["/v1/video/{videoId}"]["GET"]
    with Sandbox(videos=1) as sandbox:
        video_id = sandbox.create_video("class", fields={"progress": 101})
        with pytest.raises(BaseExceptionGroup) as found:
            check(operation.Case(path_parameters={"videoId": video_id}), sandbox)
    assert "101 is greater than the maximum of 100" in str(found.value.exceptions[0])
