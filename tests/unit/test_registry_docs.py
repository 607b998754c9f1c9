"""docs/artifacts.md lists the kinds as the table has them."""

from __future__ import annotations

from pathlib import Path

from artifacts.keys import EXTENSIONS
from artifacts.kinds import KINDS, type_name

PAGE = Path(__file__).resolve().parents[2] / "docs" / "artifacts.md"


def test_the_page_has_a_row_for_each_kind() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `") and "`_…`" not in line]
    for name, kind in KINDS.items():
        fields = ", ".join(f"{key}: {type_name(expected)}" for key, expected in kind.meta.items())
        types = ", ".join(EXTENSIONS[media_type] for media_type in kind.media_types)
        assert f"| `{name}` | `{kind.prefix}_…` | {types} | {fields} |" in rows
