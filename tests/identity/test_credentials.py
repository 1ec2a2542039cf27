"""Who an access key is: sessions, the operator's key, accounts, strangers."""

import asyncio
import stat
from pathlib import Path

import pytest

from bulb.core.errors import AwsError
from bulb.identity.credentials import Identities, RootKey
from bulb.identity.sessions import Sessions
from bulb.storage.database import Database

ROLE = "arn:aws:iam::123456789012:role/service-role/thumbnails"
NOW = 1_800_000_000.0


async def opened(folder: Path, root: RootKey | None = None) -> tuple[Database, Identities]:
    database = await Database.open(folder / "bulb.db")
    return database, await Identities.open(database, folder, root=root)


def test_a_session_survives_a_restart_and_then_expires(tmp_path: Path) -> None:
    async def run() -> None:
        database, identities = await opened(tmp_path)
        issued = identities.sessions.issue(ROLE, "session", 900, NOW)
        await database.close()
        database, identities = await opened(tmp_path)
        identity = identities.resolve(issued.access_key, issued.token, NOW + 899)
        assert identity is not None
        assert identity.arn == "arn:aws:sts::123456789012:assumed-role/thumbnails/session"
        assert identity.account == "123456789012"
        assert identity.user_id.startswith("AROA")
        assert identity.user_id.endswith(":session")
        assert identity.secret == issued.secret
        with pytest.raises(AwsError, match="ExpiredToken"):
            identities.resolve(issued.access_key, issued.token, NOW + 900)
        await database.close()

    asyncio.run(run())


def test_credentials_have_the_shapes_of_aws() -> None:
    issued = Sessions(b"k" * 32).issue(ROLE, "s", 900, NOW)
    assert len(issued.access_key) == 20
    assert issued.access_key.startswith("ASIA")
    assert len(issued.secret) == 40
    assert issued.expiration == NOW + 900


@pytest.mark.parametrize("change", ["token", "key", "server"])
def test_a_forged_session_is_nobodys(change: str) -> None:
    sessions = Sessions(b"k" * 32)
    issued = sessions.issue(ROLE, "s", 900, NOW)
    token, key = issued.token, issued.access_key
    if change == "token":
        token = token[:60] + ("A" if token[60] != "A" else "B") + token[61:]
    elif change == "key":
        key = "ASIAAAAAAAAAAAAAAAAA"
    else:
        sessions = Sessions(b"x" * 32)
    assert sessions.read(token, key, NOW) is None


@pytest.mark.parametrize("token", ["", "nonsense", "AAAA", "é", "A" * 5000])
def test_a_token_that_is_none_is_nobodys(token: str) -> None:
    assert Sessions(b"k" * 32).read(token, "ASIAAAAAAAAAAAAAAAAA", NOW) is None


def test_the_operators_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    async def run() -> None:
        database, first = await opened(tmp_path)
        await database.close()
        database, second = await opened(tmp_path)
        assert first.root == second.root
        assert second.root is not None
        identity = second.resolve(second.root.access_key, None, NOW)
        assert identity is not None
        assert identity.arn == "arn:aws:iam::000000000000:root"
        assert identity.secret == second.root.secret
        for name in ("root-key.json", "session.key"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        await database.close()

    asyncio.run(run())


def test_twelve_digits_are_an_account_without_a_secret(tmp_path: Path) -> None:
    async def run() -> None:
        database, identities = await opened(tmp_path, RootKey("AKIAROOT", "secret", "111122223333"))
        identity = identities.resolve("444455556666", None, NOW)
        assert identity is not None
        assert (identity.account, identity.secret) == ("444455556666", None)
        root = identities.resolve("AKIAROOT", None, NOW)
        assert root is not None
        assert root.account == "111122223333"
        assert identities.resolve("test", None, NOW) is None
        await database.close()

    asyncio.run(run())
