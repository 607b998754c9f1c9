"""THREADS for the libraries that take it from the environment when they are first imported; who goes first where cores
are few; and how many heaps threads may fill."""

from __future__ import annotations

import ctypes
import os
import sys
import threading

from configs.settings import Settings


def pin(settings: Settings) -> None:
    """Called by a replica before anything heavy is imported.

    Here and not in the deployment's options, since a Serve config that sets `ray_actor_options` replaces ours whole;
    and needed at all, since Ray sets OMP_NUM_THREADS=1 for a replica that asks for less than a CPU.
    """
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


HEAPS = 2
"""Of a process that encodes video."""
_M_ARENA_MAX = -8
"""mallopt's name of it in glibc's malloc.h."""


def few_heaps() -> None:
    """Let threads share HEAPS heaps: glibc gives each thread its own, up to eight a core, and what an encoder leaves
    free in one of them no other thread takes. Called before threads are started; elsewhere than on glibc nothing is
    done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_M_ARENA_MAX, HEAPS)


__all__ = ["HEAPS", "NICENESS", "few_heaps", "give_way", "pin"]
