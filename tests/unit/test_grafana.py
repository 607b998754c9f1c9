"""The Grafana board asks for metrics that there are, and for all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from ray.serve import metrics as ray_metrics

from artifacts import Record
from deployments import metrics
from deployments.replicas.meters import Meters

BOARD = Path(__file__).resolve().parents[2] / "configs" / "grafana" / "mattebox.json"
NAME = re.compile(r"\b(?:ray_)?mattebox_\w+")
LABELS = re.compile(r"by \(([^)]*)\)")


def expressions() -> list[str]:
    panels = json.loads(BOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def samples() -> set[str]:
    """The names that a scrape of the Gateway shows, `_created` aside."""
    found = set()
    for metric in REGISTRY.collect():
        if metric.name.startswith("mattebox_"):
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(metric.type, ("",))
            found |= {metric.name + end for end in ends}
    return found


@pytest.fixture
def replicas(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the replicas give to Ray, with the prefix and endings that its exporter adds."""
    found: set[str] = set()

    def counter(name: str, *_: Any, **__: Any) -> None:
        found.add(f"ray_{name}")

    def histogram(name: str, *_: Any, **__: Any) -> None:
        found.update(f"ray_{name}{end}" for end in ("_bucket", "_sum", "_count"))

    monkeypatch.setattr(ray_metrics, "Counter", counter)
    monkeypatch.setattr(ray_metrics, "Histogram", histogram)
    Meters()
    return found


def test_each_metric_of_the_board_is_exported(replicas: set[str]) -> None:
    asked = {name for line in expressions() for name in NAME.findall(line)}
    assert asked <= samples() | replicas


def test_each_metric_of_ours_is_on_the_board() -> None:
    shown = " ".join(expressions())
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in samples()}
    assert {name for name in families if name not in shown} == set()


def test_panels_group_by_labels_that_the_metrics_have() -> None:
    labels = {label.strip() for line in expressions() for group in LABELS.findall(line) for label in group.split(",")}
    assert labels == {"operation", "outcome", "code", "le"}


def test_what_was_made_is_counted_by_what_it_is() -> None:
    def value(name: str) -> float:
        return REGISTRY.get_sample_value(name, {"operation": "toy"}) or 0.0

    record: Any = Record.__new__(Record)
    object.__setattr__(record, "size_bytes", 7)
    object.__setattr__(record, "meta", {"stub": True})
    metrics.computed("toy", record)
    object.__setattr__(record, "meta", {"device_requested": "cuda", "device": "cpu"})
    metrics.computed("toy", record)
    names = ("computations", "made_bytes", "stubs", "fallbacks")
    assert [value(f"mattebox_{name}_total") for name in names] == [2, 14, 1, 1]
    with metrics.underway("toy"):
        assert value("mattebox_underway") == 1
    assert value("mattebox_underway") == 0
