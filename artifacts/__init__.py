"""The registry of everything made: scope, keys, kinds, records, documents, object store. No torch, no Ray."""

from artifacts.records import Ahead, Asset, Draft, Record
from artifacts.registry import Registry
from artifacts.scope import Scope
from artifacts.store import Store

__all__ = ["Ahead", "Asset", "Draft", "Record", "Registry", "Scope", "Store"]
