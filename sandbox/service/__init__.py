"""A system as a service: its front door, what serves it, and what is asked of it while it runs."""
