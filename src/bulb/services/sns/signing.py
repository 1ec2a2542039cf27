"""Signatures of notifications, and the certificate that proves them.

One RSA key signs everything. It is made when the first message needs it and kept in the database with its certificate,
which is served without credentials at a path that names it. Signing takes about a millisecond of computing, so it
happens in a thread, and once for each text of a message, however many subscriptions get it.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bulb.core.clock import Clock
from bulb.http.message import Request, Response
from bulb.services.sns import documents, store
from bulb.services.sns.documents import Signature
from bulb.storage.database import Database

PATH = "/_sns/"
_NAME = "SimpleNotificationService"
_KEY_BITS = 2_048
_YEARS = 20
_COMMON_NAME = "sns.amazonaws.com"


@dataclass(frozen=True, slots=True)
class _Key:
    private: Any
    certificate: str
    path: str


class Signer:
    """Signs, and serves the certificate. `serve` belongs at `PATH` and everything below it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._key: _Key | None = None
        self._lock = asyncio.Lock()

    async def sign(self, members: Mapping[str, str], version: str, base_url: str) -> Signature:
        """The signature of a document's members, by the rules of a version."""
        key = self._key or await self._load()
        signature = await asyncio.to_thread(_signed, key.private, documents.to_sign(members), version)
        return Signature(version, signature, base_url + key.path)

    async def serve(self, request: Request) -> Response:
        """The certificate, 404 for any other name."""
        if request.method not in ("GET", "HEAD"):
            return Response(405, [("content-type", "text/plain")], b"Only GET and HEAD.\n")
        key = self._key or await self._load()
        if request.path != key.path:
            return Response(404, [("content-type", "text/plain")], b"There is no such certificate.\n")
        return Response(200, [("content-type", "application/x-pem-file")], key.certificate.encode())

    async def _load(self) -> _Key:
        async with self._lock:
            if self._key is None:
                self._key = await asyncio.to_thread(_read, *await self._kept())
        return self._key

    async def _kept(self) -> tuple[str, str]:
        """Key and certificate; made, and on disk, before the first use."""
        found = await self._database.read(store.signing_key)
        if found is None:
            made = await asyncio.to_thread(_make, self._clock.now())
            await self._database.write(lambda connection: store.add_signing_key(connection, *made))
            return made
        return found


def _make(now: float) -> tuple[str, str]:
    # Imported here and below because loading it takes longer than a start should for who publishes nothing.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _COMMON_NAME)])
    begin = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=365 * _YEARS))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def _read(key: str, certificate: str) -> _Key:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see `_make`

    digest = hashlib.sha256(certificate.encode()).hexdigest()[:32]
    return _Key(load_pem_private_key(key.encode(), None), certificate, f"{PATH}{_NAME}-{digest}.pem")


def _signed(key: Any, text: bytes, version: str) -> str:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see `_make`
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415

    # SHA-1 is what version 1 is; topics choose.
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303
    return base64.b64encode(key.sign(text, PKCS1v15(), algorithm)).decode()
