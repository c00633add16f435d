"""Board: where every message stands at one moment, as a still and as the table beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.run import Run

if TYPE_CHECKING:
    import pandas as pd


def board_table(run: Run, *, at_s: float) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"n": [1]})
