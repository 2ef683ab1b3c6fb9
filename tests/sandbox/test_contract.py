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
    # a case without the header is judged as one without, so it must not get one here
    headers = {"x-api-key": sandbox.api_key} if "x-api-key" in (case.headers or {}) else {}
    case.call_and_validate(base_url=sandbox.url, headers=headers)


@documented.parametrize()
@QUIET
def test_generated_requests_keep_the_documented_schema(case, flat: Sandbox) -> None:
    check(case, flat)


@strict.parametrize()
@QUIET
def test_generated_requests_keep_the_strict_schema(case, enveloped: Sandbox) -> None:
    check(case, enveloped)


def check_video(schema, sandbox: Sandbox, video_id: str) -> None:
    operation = schema["/v1/video/{videoId}"]["GET"]
    headers = {"x-api-key": sandbox.api_key}
    check(operation.Case(path_parameters={"videoId": video_id}, headers=headers), sandbox)


def test_every_kind_of_video_keeps_its_schema(flat: Sandbox, enveloped: Sandbox) -> None:
    for schema, sandbox in ((documented, flat), (strict, enveloped)):
        own, others = sandbox.video_ids, sandbox.other_team_video_ids
        # the oldest, a good part of the history, all that is rendering, another team's, none
        for video_id in [*own[:40], *own[-9:], *others, "vid_no"]:
            check_video(schema, sandbox, video_id)
    slip = enveloped.create_video("class", fields={"progress": 101})
    with pytest.raises(BaseExceptionGroup) as found:
        check_video(strict, enveloped, slip)
    assert "101 is greater than the maximum of 100" in str(found.value.exceptions[0])
