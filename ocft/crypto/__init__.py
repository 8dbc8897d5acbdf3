"""Secrets: how they are made and compared."""

from ocft.crypto.tokens import make_secret, secrets_match

__all__ = ["make_secret", "secrets_match"]
