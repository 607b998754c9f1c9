"""THREADS for the libraries that take it from the environment when they are first imported; and who goes first where
cores are few."""

from __future__ import annotations

import os
import sys
import threading

from configs.settings import Settings

SPINS = 1000
"""Turns that a thread of OpenMP waits awake for the others before it sleeps: some microseconds. The library's own
number is some hundred times as many: beside another busy process the one that runs keeps the core that the awaited one
needs, and a net of a hundred small steps, such as the torch detector, takes ten times as long."""


def pin(settings: Settings) -> None:
    """Called by a replica before anything heavy is imported.

    Here and not in the deployment's options, since a Serve config that sets `ray_actor_options` replaces ours whole;
    and needed at all, since Ray sets OMP_NUM_THREADS=1 for a replica that asks for less than a CPU.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
    os.environ |= {
        "OMP_NUM_THREADS": str(settings.threads),
        "NUMBA_NUM_THREADS": str(settings.threads),
        "NUMBA_THREADING_LAYER": "omp",
        "NUMBA_CACHE_DIR": str(settings.mattebox_home / "numba"),
    }


NICENESS = 10
"""Of the threads that works run in."""


def give_way() -> None:
    """Let this thread, and those that it starts, stand behind the ones that answer requests: a render of seconds costs
    a found artifact milliseconds otherwise. Never before where Ray has put the whole process."""
    if sys.platform == "linux":  # elsewhere niceness is a process's, not a thread's
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


__all__ = ["NICENESS", "give_way", "pin"]
