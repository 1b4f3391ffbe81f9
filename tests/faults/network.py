"""Hosts on one machine: network namespaces, with a network between them that is slow, loses packets and can be cut.

The kernel's netem does the same, but not every kernel has it. Here every host has a TUN device, and a thread carries
packets between the devices.
"""

import contextlib
import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

# Of linux/if_tun.h: a device of packets, without a header before each.
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
MAX_PACKET_BYTES = 65_536


class Unavailable(Exception):
    """The system does not allow network namespaces; the message says why."""


class Network:
    """Hosts at `addresses`, and the network between them.

    Parameters
    ----------
    latency
        Seconds that a packet takes from one host to another.
    loss
        The share of packets that are lost, by a random generator with this `seed`.
    """

    def __init__(self, addresses: Sequence[str], latency: float = 0.02, loss: float = 0.01, seed: int = 0):
        self.names = {address: f"w{os.getpid()}h{i}" for i, address in enumerate(addresses)}
        self._latency, self._loss, self._random = latency, loss, random.Random(seed)
        self._cut: set[bytes] = set()
        self.carried = self.lost = 0
        self._devices: dict[bytes, int] = {}
        self._stop, self._stopped = os.pipe()
        self._carrier = threading.Thread(target=self._carry, name="network", daemon=True)

    def within(self, address: str) -> tuple[str, ...]:
        """Return what stands before a command that runs on this host."""
        return ("ip", "netns", "exec", self.names[address])

    def cut(self, address: str) -> None:
        """Drop all packets from and to the host."""
        self._cut.add(IPv4Address(address).packed)

    def mend(self, address: str) -> None:
        """Undo `cut`."""
        self._cut.discard(IPv4Address(address).packed)

    def __enter__(self) -> "Network":
        if shutil.which("ip") is None:
            raise Unavailable("no ip (iproute2)")
        try:
            for address, name in self.names.items():
                ip("netns", "add", name)
                self._devices[IPv4Address(address).packed] = open_device(name)
                # The device stays open in this process when it moves to another namespace.
                ip("link", "set", name, "netns", name, "name", "eth0")
                ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError) as error:
            self._close()
            raise Unavailable(getattr(error, "stderr", "").strip() or str(error)) from None
        self._carrier.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stopped)
        self._carrier.join()
        self._close()

    def _close(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        for device in self._devices.values():
            os.close(device)

    def _carry(self) -> None:
        """Read packets, and deliver each after the latency; all have the same, so their order stays."""
        in_flight: deque[tuple[float, bytes]] = deque()
        while True:
            wait = max(0.0, in_flight[0][0] - time.monotonic()) if in_flight else None
            ready, _, _ = select.select([self._stop, *self._devices.values()], [], [], wait)
            if self._stop in ready:
                return
            now = time.monotonic()
            for packet in (packet for device in ready for packet in read_packets(device)):
                self.carried += 1
                lost = self._random.random() < self._loss
                self.lost += lost
                if not lost:
                    in_flight.append((now + self._latency, packet))
            while in_flight and in_flight[0][0] <= now:
                self._deliver(in_flight.popleft()[1])

    def _deliver(self, packet: bytes) -> None:
        source, target = packet[12:16], packet[16:20]
        if target in self._devices and not self._cut & {source, target}:
            with contextlib.suppress(BlockingIOError):  # the host's queue is full
                os.write(self._devices[target], packet)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def open_device(name: str) -> int:
    """Make a TUN device and return its file descriptor; closing that removes the device."""
    opened = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(opened, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError:
        os.close(opened)
        raise
    return opened


def read_packets(device: int) -> Iterator[bytes]:
    """Yield the packets of IPv4 that a device has; skip all others."""
    with contextlib.suppress(BlockingIOError):
        while True:
            packet = os.read(device, MAX_PACKET_BYTES)
            if packet[0] >> 4 == 4:
                yield packet
