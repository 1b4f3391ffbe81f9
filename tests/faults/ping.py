"""How far another host is: ``python -m tests.faults.ping ADDRESS COUNT`` prints the seconds of each answer as JSON.

The kernel there answers; no program of the system need be there for this.
"""

import json
import select
import socket
import struct
import sys
import time

ECHO = 8
# Seconds: between requests, and without an answer until it ends.
GAP, PATIENCE = 0.002, 0.5


def request(number: int) -> bytes:
    """An echo request, which has the ones' complement of its sum in it."""
    total = (ECHO << 8) + number
    return struct.pack("!BBHHH", ECHO, 0, ~((total >> 16) + (total & 0xFFFF)) & 0xFFFF, 0, number)


def main() -> None:
    address, count = sys.argv[1], int(sys.argv[2])
    sent: list[float] = []
    took: dict[int, float] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
        heard = time.monotonic()
        while len(sent) < count or (len(took) < count and time.monotonic() < heard + PATIENCE):
            if len(sent) < count:
                heard = time.monotonic()  # before: afterwards, the answer may have been on its way for long
                sent.append(heard)
                icmp.sendto(request(len(sent) - 1), (address, 0))
            while select.select([icmp], [], [], GAP)[0]:
                answer, heard = icmp.recv(2_000), time.monotonic()
                number = struct.unpack("!H", answer[26:28])[0]
                took[number] = heard - sent[number]
    print(json.dumps(list(took.values())))


if __name__ == "__main__":
    main()
