"""Keys: who may call, and who may load and unload models."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from starlette.requests import HTTPConnection

from service.errors import KeyForbidden, KeyMissing
from service.settings import Settings

ANYONE = "anyone"


async def require_key(connection: HTTPConnection) -> None:
    """Let only callers with a key in, where keys are set; sets ``state.caller``.

    Raises
    ------
    KeyMissing
        No key was sent, or one that is not known.
    """
    connection.state.caller = caller_of(sent_key(connection), connection.app.state.settings)


def caller_of(sent: str, settings: Settings) -> str:
    """Who has sent a key: the same text for the same key, and none of the key's own.

    Raises
    ------
    KeyMissing
        It is empty, or not known.
    """
    admin = [settings.admin_key] if settings.admin_key else []
    known = [key.get_secret_value() for key in (*settings.api_keys, *admin)]
    if not settings.api_keys:
        return ANYONE
    if not _is_one_of(sent, known):
        raise KeyMissing(
            "a key that this server knows was expected in 'Authorization: Bearer KEY' or "
            f"'X-API-Key: KEY', got {'another one' if sent else 'none'}"
        )
    return digest(sent).hex()[:16]


async def require_admin(connection: HTTPConnection) -> None:
    """Let only the admin key in, where keys are set.

    Raises
    ------
    KeyForbidden
        It is another key, or no admin key is set.
    """
    settings: Settings = connection.app.state.settings
    if not settings.api_keys and not settings.admin_key:  # unset, or empty as Compose leaves it
        return
    admin = settings.admin_key.get_secret_value() if settings.admin_key else ""
    sent = sent_key(connection)
    if not sent:
        raise KeyMissing("the admin key was expected in 'Authorization: Bearer KEY', got none")
    if not admin or not _is_one_of(sent, [admin]):
        raise KeyForbidden("this needs the admin key (TRACKLINE_ADMIN_KEY)")


def sent_key(connection: HTTPConnection) -> str:
    """The key of a request; empty where there is none."""
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return connection.headers.get("x-api-key", "").strip()


def digest(key: str) -> bytes:
    """A key's SHA-256, which can be compared and shown where the key must not be."""
    return hashlib.sha256(key.encode()).digest()


def _is_one_of(sent: str, known: Iterable[str]) -> bool:
    # Digests are of one length, and all keys are looked at: the time tells nothing of them.
    matches = [hmac.compare_digest(digest(sent), digest(key)) for key in known]
    return any(matches)
