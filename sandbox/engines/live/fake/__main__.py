"""Serve with the password of stdin's first line and print the port; for tests."""

from __future__ import annotations

import argparse
import contextlib
import sys

from sandbox.engines.live.fake import serve


def main() -> None:
    """Serve until the process is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    arguments = parser.parse_args()
    password = sys.stdin.readline().rstrip("\n")
    with contextlib.suppress(KeyboardInterrupt):
        serve(arguments.port, password, ready=lambda port: print(port, flush=True))  # noqa: T201


if __name__ == "__main__":
    main()
