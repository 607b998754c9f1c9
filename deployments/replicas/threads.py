"""THREADS for the libraries that take it from the environment when they are first imported."""

from __future__ import annotations

import os

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


__all__ = ["pin"]
