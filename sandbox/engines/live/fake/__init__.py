"""A broker without redis-server: fakeredis behind a TCP front that real Celery workers can use.

One process, one thread, one event loop. A command that would block never blocks the loop: its
client is parked until a write to one of its keys, the time-out or the end of its connection.

From the outside in: `front` accepts, `client` is a connection, `session` runs its commands,
`quick` does the everyday ones, `store` is the data and who waits for it. `resp` and `wire` know
the protocol and the socket, `loop` when they are ready, `commands` what is served at all,
`mends` where fakeredis differs from redis-server, `lua` what scripts may do.

Only this machine can connect, and only with the password.
"""

from sandbox.engines.live.fake.front import serve

__all__ = ["serve"]
