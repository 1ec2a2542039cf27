"""Identifiers and secrets in the shapes AWS gives them, and secrets that live in files."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def unique_id(prefix: str) -> str:
    """A random id of 21 characters, `AROA...` for a role, `AIDA...` for a user, `ANPA...` for a policy."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(17))


def access_key_id() -> str:
    """A random long-term access key id: `AKIA` and 16 characters."""
    return "AKIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def secret_key() -> str:
    """A random secret access key: 40 characters."""
    return base64.b64encode(secrets.token_bytes(30)).decode()


def derived(key: bytes, purpose: str, text: str) -> bytes:
    """32 bytes that only the owner of `key` can make from `text`."""
    return hmac.new(key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()


def derived_id(prefix: str, digest: bytes, length: int = 16) -> str:
    """`prefix` and `length` (at most 51) characters that stand for `digest`."""
    return prefix + base64.b32encode(digest).decode()[:length]


def kept_secret(path: Path, make: bytes) -> bytes:
    """The bytes in the file at `path`, which only its owner may read; the file is made from `make` when absent.

    Blocks for an fsync the first time. Raises OSError.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, make)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    return make
