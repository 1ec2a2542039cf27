"""Hosts and paths that are a site's and not an API's."""

import pytest

from bulb.gateway.sites import Site, Visit
from bulb.http.message import BufferedBody, Request, Response
from tests.gateway.toys import toys
from tests.support.gateway import running_gateway
from tests.support.rawhttp import Message, Reply, send


async def tell(visit: Visit) -> Response:
    return Response(200, [], f"{visit.name} {visit.path} {visit.is_foreign}".encode())


SITE = Site(".toy-site.", "/_toy/", "lambda", tell)


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        ("a.toy-site.localhost:80", "/x", ("a", "/x")),
        ("a.toy-site.eu-west-1.on.aws", "/_toy/b", ("a", "/_toy/b")),
        ("localhost", "/_toy/b/c/d", ("b", "/c/d")),
        ("localhost", "/_toy/b", ("b", "/")),
        ("localhost", "/_toy/", ("", "/")),
        ("localhost", "/toy/b", None),
        ("toy-site.localhost", "/", None),
    ],
)
def test_what_is_a_sites(host: str, path: str, place: tuple[str, str] | None) -> None:
    assert SITE.place(Request("GET", path, "", {"host": host}, BufferedBody(b""), ("", 0))) == place


def test_a_site_has_its_own_say_on_pages_but_not_on_names() -> None:
    with running_gateway(toys(), sites=(SITE,)) as url:

        def ask(host: str, path: str = "/", *headers: tuple[str, str], method: str = "GET") -> Reply:
            reply = send(url, Message(method, path, (("Host", host), ("Connection", "close"), *headers)))
            assert reply is not None
            return reply

        page = ("Origin", "https://elsewhere.example")
        assert ask("a.toy-site.localhost").body == b"a / False"
        foreign = ask("a.toy-site.localhost", "/", page)
        assert (foreign.body, "access-control-allow-origin" in foreign.headers) == (b"a / True", False)
        preflight = ask("x", "/_toy/b/c", page, ("Access-Control-Request-Method", "PUT"), method="OPTIONS")
        assert preflight.status == 403
        preflight = ask("localhost", "/_toy/b/c", page, ("Access-Control-Request-Method", "PUT"), method="OPTIONS")
        assert preflight.body == b"b /c True"
        assert ask("a.toy-site.evil.example").status == 403
