"""walletd: an in-memory, actor-based wallet engine with a durable journal."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("walletd")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
