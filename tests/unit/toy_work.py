"""Works of the toy operations of test_runner.py: named by string, like every real work."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from deployments.errors import InvalidRequest
from deployments.operation import Inputs, Output, Plan, Side, Stopped, Tools

META = {"width": 1, "height": 1, "feather": 0, "selection_hash": "toy", "source": "toy"}
CALLS: list[str] = []
GATE = threading.Event()
STARTED = threading.Event()
SEEN_STOP = threading.Event()
SCRATCH: list[Path] = []


def letters(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    CALLS.append("letters")
    SCRATCH.append((tools.scratch / "kept").parent)
    text = str(plan.parameters["text"])
    if text == "refused":
        raise InvalidRequest("this text is refused", field="text")
    if text == "waits":
        STARTED.set()
        while not GATE.wait(0.01):
            if tools.stop.is_set():
                SEEN_STOP.set()
                raise Stopped
    side = Side("copy", "mask", "image/png", text.encode(), META)
    return Output("image/png", text.encode(), META | {"side": tools.side_id("mask", "copy")}, [side])


async def twice(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    CALLS.append("twice")
    await asyncio.sleep(0)
    data = await tools.thread(inputs.one("letters").read)
    path = tools.scratch / "out"
    path.write_bytes(data * 2)
    return Output("image/png", path, META)


def settle(plan: Plan, weights: object, settings: object) -> Plan:
    from dataclasses import replace

    return replace(plan, backend="fallback") if plan.parameters["text"] == "falls back" else plan


def frames(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """Ten frames, each waiting for the gate unless the text says otherwise."""
    CALLS.append("frames")
    text = str(plan.parameters["text"])
    if text == "refused":
        raise InvalidRequest("this text is refused", field="text")
    for number in range(10):
        tools.progress(number + 1, 10)
        if text == "waits" and number == 4:
            STARTED.set()
            while not GATE.wait(0.01):
                if tools.stop.is_set():
                    SEEN_STOP.set()
                    raise Stopped
    return Output("image/png", text.encode(), META)
