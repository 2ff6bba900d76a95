"""Stop working for a client that hung up. Called by every route that may take long."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """The client hung up; there is nobody to answer."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, or cancel it, wait until it has ended, and raise ClientGone.

    To be called once the request body was read whole: from then on `receive` returns when the client is gone.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(wait_until_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.wait((task, gone))
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not report it when nobody is left to tell
    return task.result()


async def wait_until_gone(receive: Receive) -> None:
    """Return when the client has hung up; its request has to be read whole before."""
    while (await receive())["type"] != "http.disconnect":
        pass
