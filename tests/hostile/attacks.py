"""Every attack on a server that asks nobody, by its name."""

from typing import Final

from . import bodies, floods, framing, injection, paths, slowness
from .attack import Attack

ATTACKS: Final = (
    Attack("request framing", framing.attack),
    Attack("bodies", bodies.attack),
    Attack("paths, ids and queries", paths.attack),
    Attack("injected texts", injection.everywhere),
    Attack("receipts of hostile names", injection.receipts),
    Attack("slow clients", slowness.slow_clients),
    Attack("clients that leave", slowness.leavers),
    Attack("answers not read", slowness.unread_answers),
    Attack("streams not read", slowness.unread_streams),
    Attack("idle connections", slowness.idle_connections),
    Attack("debits of one wallet", floods.debits_of_one_wallet),
    Attack("one key many times", floods.one_key_many_times),
    Attack("batches of refusals", floods.batches_of_everything),
)
