"""A mail server that counts what it takes: started by the benchmark, which reads its port from the first line."""

import socket
import sys

from aiosmtpd.controller import Controller


class Counting:
    def __init__(self):
        self.taken = 0

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  (the library's name)
        self.taken += 1
        return "250 kept"


def main() -> None:
    counting = Counting()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    controller = Controller(counting, hostname="127.0.0.1", port=port)
    controller.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    for _line in sys.stdin:
        sys.stdout.write(f"{counting.taken}\n")
        sys.stdout.flush()
    controller.stop()


if __name__ == "__main__":
    main()
