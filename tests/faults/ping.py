"""A ping: ``python -m tests.faults.ping ADDRESS COUNT`` prints the seconds of each answer as JSON.

The other host's kernel answers, so that no program need be installed.
"""

import json
import select
import socket
import struct
import sys
import time

ECHO = 8
# Seconds between requests, and seconds without an answer after which it ends.
INTERVAL, TIMEOUT = 0.002, 0.5


def make_request(number: int) -> bytes:
    """Return an echo request, with its checksum: the ones' complement of its sum."""
    total = (ECHO << 8) + number
    return struct.pack("!BBHHH", ECHO, 0, ~((total >> 16) + (total & 0xFFFF)) & 0xFFFF, 0, number)


def main() -> None:
    address, count = sys.argv[1], int(sys.argv[2])
    sent: list[float] = []
    seconds: dict[int, float] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
        last_event = time.monotonic()
        while len(sent) < count or (len(seconds) < count and time.monotonic() < last_event + TIMEOUT):
            if len(sent) < count:
                last_event = time.monotonic()  # taken before sending, as the answer may come at once
                sent.append(last_event)
                icmp.sendto(make_request(len(sent) - 1), (address, 0))
            while select.select([icmp], [], [], INTERVAL)[0]:
                answer, last_event = icmp.recv(2_000), time.monotonic()
                number = struct.unpack("!H", answer[26:28])[0]
                seconds[number] = last_event - sent[number]
    print(json.dumps(list(seconds.values())))


if __name__ == "__main__":
    main()
