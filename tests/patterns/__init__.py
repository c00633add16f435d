"""The reusable parts, each on the fake and on Redis where it uses one."""
