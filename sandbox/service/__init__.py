"""A system as a service: its front door, its alerts, its operations and its load."""
