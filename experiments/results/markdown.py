"""Tables of results in Markdown."""

from collections.abc import Sequence
from typing import Any


def table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """`rows`, of which each maps the headings to its cells, as a Markdown table under a title."""
    lines = [" | ".join(rows[0]), "|".join(["---"] * len(rows[0]))]
    lines += [" | ".join(str(value) for value in row.values()) for row in rows]
    return "\n".join([f"\n{title}\n", *(f"| {line} |" for line in lines)])
