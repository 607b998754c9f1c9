"""How many requests a tenant may have in flight in this Gateway, so that one tenant's flood refuses nobody else."""

from __future__ import annotations

from collections import Counter

from deployments.errors import Busy
from deployments.waiting import Held, Slot


class Admission:
    """Counts by tenant. Everything happens on the event loop, so counting needs no lock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[str] = Counter()

    def request(self, tenant: str) -> Held:
        """One request, until its answer is sent. Raises Busy when the tenant has its share in flight already."""
        if self._held[tenant] >= self._limit:
            raise Busy(
                f"{self._limit} requests of this tenant are in flight (MAX_REQUESTS_PER_TENANT); "
                "try again when some of them have ended",
                limit=self._limit,
                retry_after_s=1,
            )
        return Held(Slot(lambda: self._take(tenant), lambda: self._give(tenant)))

    def in_flight(self, tenant: str) -> int:
        return self._held[tenant]

    def _take(self, tenant: str) -> None:
        self._held[tenant] += 1

    def _give(self, tenant: str) -> None:
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]  # tenants come and go; their names are not kept


__all__ = ["Admission"]
