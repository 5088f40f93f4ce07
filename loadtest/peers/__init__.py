"""Services to measure beside walletd: the echo, which is the ceiling of its stack, and a service on FastAPI and PostgreSQL."""
