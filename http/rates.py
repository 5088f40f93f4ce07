"""Rates: a token bucket per client, in a table that cannot grow past its bound."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

CLIENTS_MAX: Final = 20_000
"""Clients remembered; the one seen longest ago is forgotten first, and starts again with a full bucket."""


def client_of(address: str | None) -> str:
    """The name under which a client's requests are counted: its address, of IPv6 the /64 network that one subscriber has."""
    if address is None:
        return ""
    if ":" in address:
        try:
            packed = ipaddress.IPv6Address(address.partition("%")[0])
        except ValueError:
            return address
        return str(packed.ipv4_mapped) if packed.ipv4_mapped is not None else packed.packed[:8].hex()
    return address


class RateLimit:
    """`rate_per_s` requests a second on average, `burst` at once. Invariant: 0 <= tokens <= burst for each client."""

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._burst = max(1.0, float(burst))
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Take a token: 0.0 when there was one, else the seconds until there is."""
        now = self._clock()
        tokens, since = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate_per_s)
        if tokens >= 1.0:
            self._buckets[client] = (tokens - 1.0, now)
            wait = 0.0
        else:
            self._buckets[client] = (tokens, now)
            wait = (1.0 - tokens) / self._rate_per_s
        if len(self._buckets) > CLIENTS_MAX:
            self._buckets.popitem(last=False)
        return wait

    def give_back(self, client: str) -> None:
        """Put a token back that was taken for nothing."""
        if client in self._buckets:
            tokens, since = self._buckets[client]
            self._buckets[client] = (min(self._burst, tokens + 1.0), since)

    def forget(self, client: str) -> None:
        """Let a client start again with a full bucket."""
        self._buckets.pop(client, None)

    def __len__(self) -> int:
        return len(self._buckets)
