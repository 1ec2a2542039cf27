"""The server's own pages, and who may read them."""

import json
import urllib.error
import urllib.request
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bulb.core.errors import AwsError
from bulb.http.message import BufferedBody, Request
from bulb.pages import refuse_strangers
from tests.cli.command import bulb as bulb_command
from tests.support.bulb import Running, running_bulb
from tests.support.functions import create, invoke
from tests.support.strict import answered, fetched, root_of, signed
from tests.support.waiting import until


def page(bulb: Running, path: str) -> dict[str, object]:
    with urllib.request.urlopen(bulb.url + path, timeout=30) as answer:
        document: dict[str, object] = json.load(answer)
    return document


def test_the_bill_is_the_report(bulb: Running) -> None:
    aws = bulb.client("lambda", access_key="111122223333")
    create(aws, "billed", "def handler(event, context): pass", MemorySize=1024)
    for _ in range(3):
        invoke(aws, "billed")
    logs = bulb.client("logs", access_key="111122223333")
    events = logs.filter_log_events(logGroupName="/aws/lambda/billed", filterPattern="REPORT")["events"]
    billed = sum(int(event["message"].split("Billed Duration: ")[1].split()[0]) for event in events)
    [line] = page(bulb, "/_bulb/bill?account=111122223333")["lines"]  # type: ignore[misc]
    assert (line["function"], line["requests"], line["billed_ms"]) == ("billed", 3, billed)
    assert line["gb_seconds"] == pytest.approx(billed / 1000)


def test_a_function_cannot_read_the_operators_pages(bulb: Running) -> None:
    if bulb.isolation == "plain":
        pytest.skip("on the plain rung functions share the machine's loopback")
    aws = bulb.client("lambda")
    source = """
        import urllib.request, urllib.error
        def handler(event, context):
            found = []
            for page in ("status", "events", "queues", "redeliveries", "bill", "health"):
                try:
                    found.append(urllib.request.urlopen("http://127.0.0.1:4566/_bulb/" + page).status)
                except urllib.error.HTTPError as error:
                    found.append(error.code)
            return found
    """
    create(aws, "curious", source, Timeout=20)
    assert invoke(aws, "curious")[0] == [404, 404, 404, 404, 404, 200]


def test_a_queue_can_be_looked_at_without_receiving(bulb: Running) -> None:
    sqs = bulb.client("sqs")
    url = sqs.create_queue(QueueName="looked-at")["QueueUrl"]
    note = {"colour": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    for body in ("first", "second"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=note)
    asked = "/_bulb/queues?queue=arn:aws:sqs:us-east-1:000000000000:looked-at"
    for limit, bodies in (("", ["first", "second"]), ("&limit=1", ["first"]), ("&limit=0", [])):
        found: Any = page(bulb, asked + limit)
        assert found["messages"] == {"visible": 2, "in_flight": 0, "delayed": 0}
        assert [message["body"] for message in found["shown"]] == bodies
        assert 0 <= bulb.clock.now() - found["oldest_at"] < 60
        for message in found["shown"]:
            assert message["attributes"]["ApproximateReceiveCount"] == "0"
            assert message["message_attributes"]["colour"]["BinaryValue"] == "AA=="


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ("queues", 400, "queue says which queue, by its ARN"),
        ("queues?queue=arn:aws:sqs:us-east-1:000000000000:nowhere", 404, "there is no queue arn:aws:sqs:"),
        ("queues?queue=nonsense", 404, "there is no queue nonsense"),
        ("queues?queue=x&limit=-1", 400, "limit is a number from 0 to 1000, not '-1'"),
        ("queues?queue=x&colour=red", 400, "colour is nothing that can be asked for"),
        ("events?limit=0", 400, "limit is a number from 1 to 10000, not '0'"),
        ("events?limit=nan", 400, "limit is a number"),
        ("events?after=x", 400, "after is a number"),
        ("events?wait=31", 400, "wait is a number from 0 to 30"),
        ("events?status=lost", 400, "status is one of waiting, retrying"),
        ("events?colour=red", 400, "colour is nothing that can be asked for"),
    ],
)
def test_a_page_refuses_what_it_does_not_know(bulb: Running, asked: str, status: int, says: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{bulb.url}/_bulb/{asked}", timeout=30)
    assert refused.value.code == status
    assert says in json.load(refused.value)["message"]


@pytest.mark.parametrize(
    ("client", "required", "refused"),
    [("127.0.0.1", True, False), ("::1", True, False), ("192.0.2.7", True, True), ("192.0.2.7", False, False)],
)
def test_where_credentials_are_required_the_pages_stay_on_the_machine(
    client: str, required: bool, refused: bool
) -> None:
    request = Request("GET", "/_bulb/bill", "", {}, BufferedBody(b""), (client, 1))
    with pytest.raises(AwsError, match="AccessDenied") if refused else nullcontext():
        refuse_strangers(request, required)


def test_what_lies_in_a_queue_is_for_who_may_receive_from_it(strict: Running) -> None:
    keys = root_of(strict)
    sqs = strict.client("sqs", **keys)
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName="private")["QueueUrl"], MessageBody="treasure")
    account = strict.client("sts", **keys).get_caller_identity()["Account"]
    path = f"/_bulb/queues?limit=1&queue=arn%3Aaws%3Asqs%3Aus-east-1%3A{account}%3Aprivate"
    status, body = fetched(strict.url + path)
    assert (status, b"treasure" in body) == (403, False)
    assert json.loads(fetched(strict.url + path.replace("limit=1", "limit=0"))[1])["messages"]["visible"] == 1
    assert answered(strict, signed(strict, "sqs", "GET", path)).status == 200
    assert answered(strict, signed(strict, "sns", "GET", path)).status == 403
    wrong = {**keys, "secret_key": "wrong"}
    assert answered(strict, signed(strict, "sqs", "GET", path, keys=wrong)).status == 403
    environment = {"AWS_ACCESS_KEY_ID": keys["access_key"], "AWS_SECRET_ACCESS_KEY": keys["secret_key"]}
    ran = bulb_command("dlq", "show", "private", "--endpoint", strict.url, **environment)
    assert (ran.returncode, "treasure" in ran.stdout) == (0, True), ran.stderr


def test_where_policies_are_enforced_reading_needs_the_permission_to_receive(tmp_path: Path) -> None:
    with running_bulb(tmp_path / "data", credentials="required", policies="enforced", stock=0) as strict:
        root = root_of(strict)
        strict.client("sqs", **root).create_queue(QueueName="private")
        iam = strict.client("iam", **root)
        iam.create_user(UserName="reader")
        issued = iam.create_access_key(UserName="reader")["AccessKey"]
        keys = {"access_key": issued["AccessKeyId"], "secret_key": issued["SecretAccessKey"]}
        path = "/_bulb/queues?limit=1&queue=arn%3Aaws%3Asqs%3Aus-east-1%3A000000000000%3Aprivate"
        assert answered(strict, signed(strict, "sqs", "GET", path, keys=keys)).status == 403
        document = {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [document]})
        iam.put_user_policy(UserName="reader", PolicyName="receive", PolicyDocument=policy)
        assert answered(strict, signed(strict, "sqs", "GET", path, keys=keys)).status == 200


RULE = "arn:aws:events:us-east-1:000000000000:rule/told"
PAST = {"source": "shop", "detail-type": "d", "detail": {}}


def asking(rule: str = RULE, target: str = "1") -> str:
    return f"/_bulb/redeliveries?rule={quote(rule, safe='')}&target={target}"


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/_bulb/redeliveries", b"{}", 400, "rule says which rule, by its ARN, and target which of its targets"),
        (asking(rule="nonsense"), b"{}", 400, "rule says which rule, by its ARN"),
        (asking(target=""), b"{}", 400, "and target which of its targets, by its id"),
        (asking() + "&colour=red", b"{}", 400, "colour is nothing that can be asked for"),
        (asking(rule=RULE + "-not"), b"{}", 400, "Rule told-not does not exist on EventBus default."),
        (asking(target="2"), b"{}", 400, "Rule told has no target 2."),
        (asking(), b"no event", 400, "What is to be delivered is no event."),
        (asking(), b"[" * 100_000, 400, "What is to be delivered is no event."),
        (asking(), b" " * (8 * 1_048_576 + 1), 413, "Request must be smaller than 8388608 bytes"),
    ],
)
def test_a_redelivery_that_cannot_be_is_refused(bulb: Running, path: str, body: bytes, status: int, says: str) -> None:
    events = bulb.client("events")
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="told", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:told"}])
    found, said = fetched(bulb.url + path, "POST", body)
    assert found == status
    assert says in json.loads(said)["message"]
    assert fetched(bulb.url + path)[0] == 405


def test_redelivering_is_for_who_may_say_what_the_rule_sends(tmp_path: Path) -> None:
    with running_bulb(tmp_path / "data", credentials="required", policies="enforced", stock=0) as strict:
        root = root_of(strict)
        events, sqs, iam = (strict.client(service, **root) for service in ("events", "sqs", "iam"))
        url = sqs.create_queue(QueueName="told")["QueueUrl"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": "*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        events.put_rule(Name="told", EventPattern=json.dumps({"source": ["nothing"]}))
        target = {"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:told", "InputPath": "$.source"}
        events.put_targets(Rule="told", Targets=[target])
        iam.create_user(UserName="operator")
        issued = iam.create_access_key(UserName="operator")["AccessKey"]
        keys = {"access_key": issued["AccessKeyId"], "secret_key": issued["SecretAccessKey"]}
        body = json.dumps(PAST).encode()

        def asked(service: str = "events", path: str = asking()) -> int:
            return answered(strict, signed(strict, service, "POST", path, body, keys=keys)).status

        assert fetched(strict.url + asking(), "POST", body)[0] == 403
        assert asked() == 403
        document = {"Effect": "Allow", "Action": "events:PutTargets", "Resource": RULE}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [document]})
        iam.put_user_policy(UserName="operator", PolicyName="told", PolicyDocument=policy)
        assert asked("sqs") == 403
        assert asked(path=asking(rule=RULE.replace("000000000000", "111122223333"))) == 403
        changed = replace(signed(strict, "events", "POST", asking(), body, keys=keys), body=body.replace(b"d", b"e"))
        assert answered(strict, changed).status == 403, "the signature covers the event"
        assert asked() == 202
        [message] = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), "the one that was let in")
        assert message["Body"] == '"shop"'
        assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_the_command_signs_what_it_has_redelivered(strict: Running) -> None:
    keys = root_of(strict)
    events, sqs = strict.client("events", **keys), strict.client("sqs", **keys)
    account = strict.client("sts", **keys).get_caller_identity()["Account"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allowed]})}
    dead = sqs.create_queue(QueueName="signed-dead", Attributes=policy)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{account}"
    events.put_rule(Name="signed", EventPattern=json.dumps({"source": ["shop"]}))
    target = {"Id": "1", "Arn": f"{arn}:late", "InputPath": "$.detail"}
    events.put_targets(Rule="signed", Targets=[{**target, "DeadLetterConfig": {"Arn": f"{arn}:signed-dead"}}])
    events.put_events(Entries=[{"Source": "shop", "DetailType": "d", "Detail": '{"n":1}'}])
    until(lambda: sqs.receive_message(QueueUrl=dead, VisibilityTimeout=0).get("Messages"), "the dead letter")
    late = sqs.create_queue(QueueName="late", Attributes=policy)["QueueUrl"]
    environment = {"AWS_ACCESS_KEY_ID": keys["access_key"], "AWS_SECRET_ACCESS_KEY": keys["secret_key"]}
    ran = bulb_command("dlq", "redrive", "signed-dead", "--endpoint", strict.url, **environment)
    assert (ran.returncode, ran.stdout) == (0, "1 to sqs:late\n"), ran.stderr
    [message] = until(lambda: sqs.receive_message(QueueUrl=late).get("Messages"), "the event")
    assert message["Body"] == '{"n":1}'
