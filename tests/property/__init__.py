"""Random systems under random faults, and what no fault may do to them."""
