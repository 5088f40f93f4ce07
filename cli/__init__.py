"""The program: its commands, and one running walletd. With settings.py the only place that sees engine, http and storage together."""

from .main import main

__all__ = ["main"]
