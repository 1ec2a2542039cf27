"""Queue URLs, in every shape that clients hold. Pure.

    http://HOST/ACCOUNT/NAME                       what Bulb answers
    http://sqs.REGION.HOST/ACCOUNT/NAME            as AWS answers
    http://queue.HOST/... and REGION.queue.HOST/…  as AWS answered of old
    http://HOST/queue/REGION/ACCOUNT/NAME          with the region in the path

A URL that names no region means that of the request's signature.
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

_PATH = re.compile(r"/(?:queue/(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)/)?)?(?P<account>\d{12})/(?P<name>[^/]+)/?")
_HOST = re.compile(r"(?:sqs\.(?P<new>[a-z]{2}(?:-[a-z]+)+-\d)|(?P<old>[a-z]{2}(?:-[a-z]+)+-\d)\.queue)(?:\..*)?")

_LONGEST_KEPT = 300


class Address(NamedTuple):
    """What a URL says. `region` None: nothing."""

    account: str
    region: str | None
    name: str


def parse(url: str) -> Address | None:
    """The queue a URL names; None for what is none."""
    return _known(url) if len(url) <= _LONGEST_KEPT else _parsed(url)


def _parsed(url: str) -> Address | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    found = _PATH.fullmatch(parts.path)
    if found is None or (parts.scheme and parts.scheme not in ("http", "https")):
        return None
    in_host = _HOST.fullmatch(host)
    region = found["region"] or (in_host and (in_host["new"] or in_host["old"])) or None
    return Address(found["account"], region, found["name"])


_known = lru_cache(maxsize=10_000)(_parsed)  # every call names a queue by its URL


def url_of(base_url: str, account: str, name: str) -> str:
    """The URL of a queue for whoever reaches this server at `base_url`."""
    return f"{base_url}/{account}/{name}"
