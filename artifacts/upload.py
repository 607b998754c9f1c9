"""An upload's bytes on their way to the store, hashed and counted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import obstore

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from artifacts.store import Store

BUFFER = 8 << 20
"""Bytes of a part: what an upload holds in memory."""
HEAD = 4096
"""First bytes that are kept, to tell what it is."""


class Upload:
    """A streamed put to a key: memory stays at one part's size. Knows the content's SHA-256 when finished."""

    def __init__(self, store: Store, objects: ObjectStore, key: str, max_bytes: int) -> None:
        self.store, self.key, self.max_bytes = store, key, max_bytes
        self.size = 0
        self.head = b""
        self._open = True
        self._hash = hashlib.sha256()
        self._file = obstore.open_writer_async(objects, key, buffer_size=BUFFER)

    async def write(self, chunk: bytes) -> bool:
        """Append; False, and nothing written, when that would exceed `max_bytes`."""
        if self.size + len(chunk) > self.max_bytes:
            return False
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]
        self.size += len(chunk)
        self._hash.update(chunk)
        await self._file.write(chunk)
        return True

    async def close(self) -> str:
        """Finish; the SHA-256 in lower-case hex."""
        self._open = False
        await self._file.close()
        self.store.flush(self.key)
        return self._hash.hexdigest()

    async def abandon(self) -> None:
        """Remove what was received, at any point of the upload."""
        if self._open:
            self._open = False
            await self._file.close()
        self.store.delete(self.key)


__all__ = ["Upload"]
