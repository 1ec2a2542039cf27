"""Requests no client sends, to every operation there is: each is refused in its protocol's shape or carried out.

A request starts right (parameters that fit the model, serialised by botocore) and is then spoilt in one way. Whatever
comes of it, the answer is the client's fault or none (never a 500), the next caller is served, and the log has no
traceback. The same requests are made on every run.
"""

import http.client
import logging
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import OperationModel, ServiceModel
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bulb.wire.catalog import SERVICES
from tests.support import functions, furniture, message_furniture, plausible
from tests.support.bulb import Running, running_bulb
from tests.support.damage import BREAKS_HTTP, KEEPS_TARGET, LOSES_TARGET, Damage, spoilt_parameters
from tests.support.rawhttp import Message, Reply, send
from tests.wire.clients import model as model_of
from tests.wire.clients import request_for
from tests.wire.generated import Values

# A service that speaks two protocols stands here twice: what is before the blank is its name.
SPEAKS = {
    "lambda": "rest-json",
    "s3": "rest-xml",
    "logs": "json",
    "iam": "query",
    "sts": "query",
    "sqs": "json",
    "sqs query": "query",
    "sns": "query",
    "events": "json",
    "scheduler": "rest-json",
}
IMPLEMENTED = {
    "lambda": 68,
    "s3": 34,
    "logs": 19,
    "iam": 36,
    "sts": 4,
    "sqs": 23,
    "sqs query": 23,
    "sns": 19,
    "events": 42,
    "scheduler": 12,
}
EXAMPLES, PLAUSIBLE = 14, 10
HOST = "127.0.0.1:4566"  # Also where the model has a prefix for it, which is no part of what is tried here.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
Damages = tuple[Damage | None, ...]
EVERY: Damages = (None, None, None, *KEEPS_TARGET, *LOSES_TARGET, *BREAKS_HTTP)
NONE: Damages = (None,)
AMZ_DATE = "20260101T000000Z"


def named(service: str) -> str:
    return service.partition(" ")[0]


def model(service: str) -> ServiceModel:
    return model_of(named(service))


class Errors(logging.Handler):
    """Keeps what the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "bulb.delivery.handing" and record.exc_info is None:
            return  # A delivery given up, as what it was for is deleted here all the time: told, and no defect.
        self.found.append(logging.Formatter().format(record))


class House:
    """A server with something in it, and a neighbour who must not be disturbed."""

    def __init__(self, bulb: Running, errors: Errors) -> None:
        self.url = bulb.url
        self.errors = errors
        self.clients = {service: bulb.client(named(service)) for service in SPEAKS}
        self.identifiers: dict[str, str | int] = {}
        place = urlsplit(bulb.url)
        self._neighbour = http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)

    def furnish(self, service: str) -> None:
        """Make what the requests of a service name; what is still there is left."""
        make = {
            "lambda": self._furnish_functions,
            "s3": self._furnish_objects,
            "logs": self._furnish_basics,
            "iam": self._furnish_keys,
            "sqs": self._furnish_messages,
            "sns": self._furnish_messages,
            "events": self._furnish_messages,
            "scheduler": self._furnish_messages,
        }.get(named(service), self._furnish_basics)
        make()

    def _furnish_basics(self) -> None:
        aws, names = self.clients, plausible
        wanted: list[tuple[Any, dict[str, Any]]] = [
            (aws["s3"].create_bucket, {"Bucket": names.BUCKET}),
            (aws["logs"].create_log_group, {"logGroupName": names.GROUP}),
            (aws["logs"].create_log_stream, {"logGroupName": names.GROUP, "logStreamName": names.STREAM}),
            (aws["iam"].create_role, {"RoleName": names.ROLE, "AssumeRolePolicyDocument": names.TRUST}),
            (aws["iam"].create_user, {"UserName": names.USER}),
            (aws["iam"].create_policy, {"PolicyName": names.POLICY, "PolicyDocument": names.DOCUMENT}),
            (
                aws["lambda"].create_function,
                {
                    "FunctionName": names.FUNCTION,
                    "Runtime": functions.PYTHON,
                    "Handler": "app.handler",
                    "Role": names.ROLE_ARN,
                    "Code": {"ZipFile": functions.zipped(app="def handler(event, context): return event")},
                },
            ),
        ]
        for make, arguments in wanted:
            with suppress(ClientError):
                make(**arguments)

    def _furnish_objects(self) -> None:
        self._furnish_basics()
        s3, thing = self.clients["s3"], {"Bucket": plausible.BUCKET, "Key": plausible.KEY}
        s3.put_bucket_versioning(Bucket=plausible.BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.identifiers["@version"] = s3.put_object(**thing, Body=b"0123456789")["VersionId"]
        self.identifiers["@upload"] = s3.create_multipart_upload(**thing)["UploadId"]

    def _furnish_keys(self) -> None:
        self._furnish_basics()
        with suppress(ClientError):  # A user has two at most.
            key = self.clients["iam"].create_access_key(UserName=plausible.USER)["AccessKey"]
            self.identifiers["@access-key"] = key["AccessKeyId"]

    def _furnish_functions(self) -> None:
        self._furnish_basics()
        self.identifiers |= furniture.furnish(self.clients["lambda"])

    def _furnish_messages(self) -> None:
        aws = self.clients
        self.identifiers |= message_furniture.furnish_queues(aws["sqs"])
        self.identifiers |= message_furniture.furnish_topics(aws["sns"])
        self.identifiers |= message_furniture.furnish_buses(aws["events"])
        self.identifiers |= message_furniture.furnish_schedules(aws["scheduler"])

    def is_implemented(self, service: str, name: str) -> bool:
        """The server has this operation: it answers something else than that it has not."""
        operation = model(service).operation_model(name)
        values = Values(name, xml=SPEAKS[service] in ("query", "rest-xml"))
        params = values.structure(operation.input_shape) if operation.input_shape else {}
        reply = send(self.url, signed(service, operation, params, SPEAKS[service]))
        assert reply is not None
        return not (reply.status == 501 and f"the operation {name} of".encode() in reply.body)

    def check(self, message: Message, reply: Reply | None, service: str, damage: Damage | None) -> None:
        """The promise of this file. `damage` None: the request may be refused, but not as malformed HTTP."""
        said = f"{damage.__name__ if damage else 'as it is'}: {str(message)[:1500]} answered {str(reply)[:1500]}"
        problems, self.errors.found = self.errors.found, []
        assert not problems, f"{said}\n{problems[0]}"
        if reply is None:
            assert damage in BREAKS_HTTP, said
        else:
            check_reply(message, reply, service, damage, said)
        self.neighbour_is_served()

    def neighbour_is_served(self) -> None:
        """Somebody else's request, on a connection of their own, is carried out."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self._neighbour.request("POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", form)
        answer = self._neighbour.getresponse()
        assert (answer.status, b"<Account>" in answer.read()) == (200, True)


def check_reply(message: Message, reply: Reply, service: str, damage: Damage | None, said: str) -> None:
    assert 200 <= reply.status < 300 or reply.status in (304, 501) or 400 <= reply.status < 500, said
    if reply.status < 400 or message.method == "HEAD":
        return
    if reply.protocol is None:
        assert damage in BREAKS_HTTP or not is_http(message), said
        return
    assert reply.error_code(), said
    assert "x-amzn-requestid" in reply.headers or "x-amz-request-id" in reply.headers, said
    if damage is None or damage in KEEPS_TARGET:
        assert reply.protocol == SPEAKS[service], said


def is_http(message: Message) -> bool:
    """The head is one that HTTP allows: names are tokens, and values have no control characters."""
    return all(_TOKEN.fullmatch(name) and not _CONTROL.search(value) for name, value in message.headers)


def signed(service: str, operation: OperationModel, params: dict[str, Any], protocol: str) -> Message:
    """The request botocore makes of `params`, with a signature nobody looks at."""
    request = request_for(named(service), operation, params, protocol)
    scope = f"test/20260101/us-east-1/{SERVICES[named(service)].signing_name}/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"
    headers = {**request.headers, "host": HOST, "authorization": authorization, "x-amz-date": AMZ_DATE}
    headers.pop("content-length", None)
    target = f"{request.path}?{request.query}" if request.query else request.path
    return Message(request.method, target, tuple(headers.items()), request.body.buffered or b"")


@st.composite
def cases(
    draw: st.DrawFn, service: str, operation: OperationModel, identifiers: dict[str, str | int], damages: Damages
) -> tuple[Message, Damage | None]:
    """A request and the way it was spoilt, one of `damages`; None where only its parameters are strange, or nothing."""
    shape = operation.input_shape
    params = copied(draw(plausible.parameters(shape)), identifiers) if shape is not None else {}
    chance = random.Random(draw(st.integers(0, 2**32)))
    damage = draw(st.sampled_from(damages))
    is_strange = damage is None and (damages is not NONE or chance.random() < 0.3)
    strange = spoilt_parameters(copied(params, {}), chance) if is_strange else params
    try:
        message = signed(service, operation, strange, SPEAKS[service])
    except (TypeError, AttributeError, ValueError, KeyError, BotoCoreError):
        message = signed(service, operation, params, SPEAKS[service])  # Botocore itself cannot write it.
    return (message, None) if damage is None else (damage(message, chance), damage)


def copied(value: Any, identifiers: dict[str, str | int]) -> Any:
    """A copy whose dictionaries and lists can be changed, with the server's identifiers in their places."""
    if isinstance(value, dict):
        return {key: copied(item, identifiers) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item, identifiers) for item in value]
    return identifiers.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("malformed") / "data") as house:
        for service in SPEAKS:
            house.furnish(service)
        yield house


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("guarded") / "data", credentials="required") as house:
        yield house


@contextmanager
def opened(data: Path, **settings_: Any) -> Iterator[House]:
    """A server whose log is watched to its end."""
    errors = Errors()
    logging.getLogger().addHandler(errors)
    try:
        with running_bulb(data, stock=0, egress="none", **settings_) as bulb:
            yield House(bulb, errors)
        assert not errors.found, errors.found[0]
    finally:
        logging.getLogger().removeHandler(errors)


@pytest.mark.parametrize("service", SPEAKS)
def test_every_operation_refuses_what_is_malformed(house: House, service: str) -> None:
    names = implemented(house, service)
    assert len(names) >= IMPLEMENTED[service]
    failures = []
    for name in names:
        house.furnish(service)
        try:
            throw_at(house, service, name, EXAMPLES)
        except AssertionError as failure:
            failures.append(f"{service} {name}: {failure}")
    assert not failures, f"{len(failures)} operations:\n\n" + "\n\n".join(failures)


def implemented(house: House, service: str) -> list[str]:
    """Those that delete come last: some of what they delete cannot be made again for a while."""
    names = [name for name in model(service).operation_names if house.is_implemented(service, name)]
    return sorted(names, key=lambda name: name.startswith("Delete"))


@pytest.mark.parametrize("service", ["sqs", "sns", "events", "scheduler"])
def test_what_is_plausible_is_carried_out_or_refused(house: House, service: str) -> None:
    """Few requests above come to act: of these many do."""
    failures = []
    for name in implemented(house, service):
        house.furnish(service)
        try:
            throw_at(house, service, name, PLAUSIBLE, NONE)
        except AssertionError as failure:
            failures.append(f"{service} {name}: {failure}")
    assert not failures, f"{len(failures)} operations:\n\n" + "\n\n".join(failures)


def test_operations_that_are_not_there_say_so(house: House) -> None:
    for service in SPEAKS:
        missing = [name for name in model(service).operation_names if not house.is_implemented(service, name)]
        for name in random.Random(service).sample(missing, min(4, len(missing))):
            throw_at(house, service, name, 6)


def test_a_busy_neighbour_notices_nothing(house: House) -> None:
    """While two clients send nonsense as fast as they can, a third works: each of its requests is carried out."""
    house.furnish("lambda")
    stop = threading.Event()
    nonsense = [threading.Thread(target=send_nonsense, args=(house.url, seed, stop)) for seed in range(2)]
    for thread in nonsense:
        thread.start()
    try:
        s3, aws = house.clients["s3"], house.clients["lambda"]
        s3.create_bucket(Bucket="busy")
        functions.create(aws, "busy", "def handler(event, context): return event")
        for number in range(25):
            s3.put_object(Bucket="busy", Key=str(number), Body=str(number))
            assert s3.get_object(Bucket="busy", Key=str(number))["Body"].read() == str(number).encode()
            assert functions.invoke(aws, "busy", {"n": number})[0] == {"n": number}
    finally:
        stop.set()
        for thread in nonsense:
            thread.join(30)
    assert not house.errors.found, house.errors.found[0]


def send_nonsense(url: str, seed: int, stop: threading.Event) -> None:
    """Spoilt requests until told to stop, at most a thousand."""
    chance = random.Random(seed)
    for _ in range(1_000):
        if stop.is_set():
            return
        service = chance.choice(list(SPEAKS))
        operation = model(service).operation_model(chance.choice(model(service).operation_names))
        if operation.name.startswith("Delete"):
            continue  # What the neighbour works with shall stay.
        values = Values(chance.random(), xml=SPEAKS[service] in ("query", "rest-xml"))
        params = values.structure(operation.input_shape) if operation.input_shape else {}
        damage = chance.choice((*KEEPS_TARGET, *LOSES_TARGET, *BREAKS_HTTP))
        send(url, damage(signed(service, operation, params, SPEAKS[service]), chance))


@pytest.mark.parametrize("service", SPEAKS)
def test_nothing_malformed_gets_in_where_credentials_are_required(guarded: House, service: str) -> None:
    for number, name in enumerate(model(service).operation_names):
        operation = model(service).operation_model(name)
        chance = random.Random(f"{service} {name}")
        values = Values(name, xml=SPEAKS[service] in ("query", "rest-xml"))
        params = values.structure(operation.input_shape) if operation.input_shape else {}
        damages = [*KEEPS_TARGET, *LOSES_TARGET]
        damage = damages[number % len(damages)]
        message = damage(signed(service, operation, params, SPEAKS[service]), chance)
        reply = send(guarded.url, message)
        assert reply is not None, message
        assert reply.status >= 400 or message.method == "OPTIONS", (message, reply)
        check_reply(message, reply, service, damage, f"{message} {reply}")
    assert not guarded.errors.found, guarded.errors.found[0]


def throw_at(house: House, service: str, name: str, examples: int, damages: Damages = EVERY) -> None:
    """So many spoilt requests for one operation, always the same ones."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # What breaks is a seed's work: there is nothing to make smaller.
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(cases(service, model(service).operation_model(name), house.identifiers, damages))
    def throw(case: tuple[Message, Damage | None]) -> None:
        message, damage = case
        house.check(message, send(house.url, message), service, damage)

    throw()
