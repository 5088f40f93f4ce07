"""The API's description: `/openapi.json`, made of the same types that validate and encode, and the pages that show it, `/docs` and `/redoc`."""

from .pages import register

__all__ = ["register"]
