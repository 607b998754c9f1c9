"""What an artifact was made from and what was made from it, as nodes and edges, or as a Mermaid chart."""

from __future__ import annotations

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from deployments.operation import JSON

DIRECTIONS = ("up", "down", "both")
PARENT = "parent"
"""The role of an asset that an artifact belongs to without being made from its bytes."""


def lineage(registry: Registry, scope: Scope, id: str, direction: str) -> JSON:
    """`{nodes, edges}`; what was deleted is left out, with its edges. NotFound for the artifact itself."""
    start = registry.artifact(scope, id)
    nodes: dict[str, JSON] = {}
    edges: dict[tuple[str, str, str], JSON] = {}
    for step in (_up, _down):
        if direction not in (step.__name__[1:], "both"):
            continue
        pending, seen = [start.id], set[str]()
        while pending:
            here = pending.pop()
            if here in seen or not _node(registry, scope, here, nodes):
                continue
            seen.add(here)
            for source, target, role in step(registry, scope, here):
                edges[source, target, role] = {"from": source, "to": target, "role": role}
                pending.append(source if step is _up else target)
    standing = [edge for edge in edges.values() if edge["from"] in nodes and edge["to"] in nodes]
    return {"nodes": list(nodes.values()), "edges": standing}


def _node(registry: Registry, scope: Scope, id: str, nodes: dict[str, JSON]) -> bool:
    """Put the node; whether it stands."""
    if id in nodes:
        return True
    try:
        if id.startswith("asset_"):
            asset = registry.asset(scope, id)
            nodes[id] = {"id": id, "kind": asset.kind, "label": asset.media_type}
        else:
            record = registry.artifact(scope, id)
            nodes[id] = {"id": id, "kind": record.kind, "label": record.meta.get("preset_id") or record.kind}
    except NotFound:
        return False
    return True


Edge = tuple[str, str, str]


def _up(registry: Registry, scope: Scope, id: str) -> list[Edge]:
    """From, to, role of what this was made from."""
    return [] if id.startswith("asset_") else _sources(registry.artifact(scope, id))


def _down(registry: Registry, scope: Scope, id: str) -> list[Edge]:
    """From, to, role of what was made from this."""
    found: list[Edge] = []
    for child in registry.children(scope, id):
        try:
            found += [edge for edge in _sources(registry.artifact(scope, child)) if edge[0] == id]
        except NotFound:
            continue
    return found


def _sources(record: Record) -> list[Edge]:
    edges = [(item["id"], record.id, item["role"]) for item in record.inputs]
    parent = record.parent_asset_id
    if parent and parent not in [source for source, _, _ in edges]:
        edges.append((parent, record.id, PARENT))
    return edges


def mermaid(graph: JSON) -> str:
    """A Mermaid flow chart of a lineage."""
    number = {node["id"]: f"n{index}" for index, node in enumerate(graph["nodes"])}
    lines = ["flowchart LR"]
    for node in graph["nodes"]:
        said = dict.fromkeys((str(node["kind"]), str(node["label"]), node["id"]))
        lines.append(f'    {number[node["id"]]}["{"<br/>".join(map(_text, said))}"]')
    lines += [
        f'    {number[edge["from"]]} -->|"{_text(str(edge["role"]))}"| {number[edge["to"]]}' for edge in graph["edges"]
    ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Free text as Mermaid's entities where it could end a label or become markup."""
    return "".join(c if c.isalnum() or c in " _-/.," else f"#{ord(c)};" for c in text)


__all__ = ["DIRECTIONS", "lineage", "mermaid"]
