"""A process that drains the inbox as the worker does, when it is told to: started by the benchmark."""

import sys

import django
from django.utils import timezone


def main() -> None:
    django.setup()
    from connectors import inbox

    inbox.drain(at=timezone.now(), limit=0)  # connect, and load what is loaded once
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    done = 0
    while taken := inbox.drain(at=timezone.now()).taken:
        done += taken
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main()
