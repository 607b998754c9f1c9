"""A request's id through Serve's own handling: one, and fit for a log, in the request and in the answer."""

from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.http_util import RequestIdMiddleware

from deployments.gateway.naming import NAME, OneId

FIT = b"caller-1"


@pytest.mark.parametrize("given", [[FIT], [], [b"\xff\xfe"], [b"two words"], [FIT, b"caller-2"], [b"a" * 129]], ids=str)
async def test_serve_and_we_give_a_request_one_id(given: list[bytes]) -> None:
    """Serve answered 500 to an id that is no UTF-8, and sent back the one that it was given beside the one in ours."""
    seen: list[bytes] = []
    sent: list[Any] = []

    async def ours(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(value for name, value in scope["headers"] if name == NAME)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1"), (NAME, seen[0])]})

    async def keep(message: Any) -> None:
        sent.append(message)

    async def nothing() -> Any:
        raise AssertionError

    scope = {"type": "http", "headers": [(b"host", b"x"), *((NAME, value) for value in given)]}
    await OneId(RequestIdMiddleware(ours))(scope, nothing, keep)  # type: ignore[arg-type]
    (id,) = seen
    assert sent[0]["headers"] == [(b"x-a", b"1"), (NAME, id)]
    assert (id == FIT) == (given == [FIT])
    assert id.decode().isascii()
