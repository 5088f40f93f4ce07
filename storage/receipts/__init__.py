"""Receipts on disk: drawn up from the journal in the server, written and made durable by a process of their own, at the lowest priority."""
