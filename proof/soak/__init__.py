"""``make soak``: one long session under random faults, and what must not grow or be left over."""
