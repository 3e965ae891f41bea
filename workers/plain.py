"""Text for people, printed as it is: it is searched, copied and read by scripts."""

from __future__ import annotations

from rich.console import Console


def tell(console: Console, text: str) -> None:
    """Print text as it is: nothing in it is markup, coloured or folded."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
