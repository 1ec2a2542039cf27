"""`bulb dlq` against a real server: whose dead letters there are, what they say, and back to where they came from."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from bulb.cli.dlq import moving
from bulb.cli.dlq.owners import Owner
from bulb.cli.dlq.routes import back, check_target, to
from bulb.cli.main import main
from bulb.core.errors import BulbError
from tests.services.sns.room import endpoint
from tests.support.bulb import Process
from tests.support.functions import ROLE, create
from tests.support.waiting import until

US = "us-east-1:000000000000"
SQS, LAMBDA, SNS = f"arn:aws:sqs:{US}", f"arn:aws:lambda:{US}:function", f"arn:aws:sns:{US}"
# Fails until its configuration says otherwise; says what it got.
HANDLER = """
import json, os
def handler(event, context):
    print("got", json.dumps(event, sort_keys=True))
    if not os.environ.get("WELL"):
        raise ValueError("not well")
"""


def dlq(server: Process, *arguments: str, code: int = 0) -> str:
    """What the command prints; in this process, for the sake of time."""
    ran = CliRunner().invoke(main, ["dlq", *arguments, "--endpoint", server.url])
    assert ran.exit_code == code, ran.output + repr(ran.exception)
    return ran.stdout if code == 0 else ran.output


def listed(server: Process) -> dict[str, dict[str, Any]]:
    return {queue["queue"]: queue for queue in json.loads(dlq(server, "list", "--json"))}


def queue(server: Process, name: str, **attributes: str) -> str:
    url: str = server.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def messages(server: Process, url: str) -> int:
    asked = server.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(asked["Attributes"]["ApproximateNumberOfMessages"])


def fails(server: Process, name: str, dead_letters: str, *events: Any, **settings: Any) -> None:
    """A function with a dead-letter queue, that has failed for each of `events`."""
    aws = server.client("lambda")
    create(aws, name, HANDLER, DeadLetterConfig={"TargetArn": f"{SQS}:{dead_letters}"}, **settings)
    aws.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    for event in events:
        aws.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))


def heal(server: Process, name: str) -> None:
    aws = server.client("lambda")
    aws.update_function_configuration(FunctionName=name, Environment={"Variables": {"WELL": "yes"}})
    aws.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 500})


def got(server: Process, name: str) -> list[str]:
    """What a function said it got, each time."""
    logs = server.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="got")
    except logs.exceptions.ResourceNotFoundException:
        return []  # it has not run yet
    return [event["message"].removeprefix("got ").rstrip() for event in found["events"]]


def test_what_a_queue_gave_up_is_moved_back(server: Process) -> None:
    sqs = server.client("sqs")
    dead = queue(server, "orders-dead")
    policy = json.dumps({"deadLetterTargetArn": f"{SQS}:orders-dead", "maxReceiveCount": "1"})
    orders = queue(server, "orders", RedrivePolicy=policy, VisibilityTimeout="0")
    note = {"colour": {"DataType": "String", "StringValue": "red"}}
    for number in range(12):
        sqs.send_message(QueueUrl=orders, MessageBody=f"order {number}", MessageAttributes=note)

    def given_up() -> bool:
        sqs.receive_message(QueueUrl=orders, MaxNumberOfMessages=10)
        return messages(server, dead) == 12

    until(given_up, "all dead letters", every=0.1)
    found = listed(server)["orders-dead"]
    assert (found["messages"], found["of"]) == (12, [{"kind": "queue", "arn": f"{SQS}:orders", "target": None}])
    shown = dlq(server, "show", "orders-dead", "--limit", "2")
    assert f"  DeadLetterQueueSourceArn: {SQS}:orders\n  colour: red\n  order 0\n" in shown
    first = json.loads(dlq(server, "show", dead, "--json").splitlines()[0])
    again = json.loads(dlq(server, "show", f"{SQS}:orders-dead", "--json").splitlines()[0])
    assert first == again, "looking changes nothing"
    assert messages(server, dead) == 12, "looking hides nothing"
    assert dlq(server, "redrive", "orders-dead") == "12 to sqs:orders\n"
    assert (messages(server, dead), messages(server, orders)) == (0, 12)
    assert dlq(server, "redrive", "orders-dead") == "the queue has no messages to be received\n"


def test_what_a_function_could_not_do_is_given_to_it_again(server: Process) -> None:
    dead = queue(server, "broken-dead")
    fails(server, "broken", "broken-dead", {"n": 1}, {"n": 2})
    until(lambda: messages(server, dead) == 2, "both dead letters", every=0.1)
    assert [owner["arn"] for owner in listed(server)["broken-dead"]["of"]] == [f"{LAMBDA}:broken"]
    assert "  ErrorCode: 200\n  ErrorMessage: not well\n  RequestID: " in dlq(server, "show", "broken-dead")
    heal(server, "broken")
    assert dlq(server, "redrive", "broken-dead") == "2 to lambda:broken\n"
    until(lambda: sorted(got(server, "broken")) == ['{"n": 1}'] * 2 + ['{"n": 2}'] * 2, "both once more", every=0.2)
    assert messages(server, dead) == 0


def test_a_record_of_a_failure_is_given_to_its_function_as_the_event_it_was(server: Process) -> None:
    dead = queue(server, "records")
    aws = server.client("lambda")
    for name in ("one", "other"):
        create(aws, name, HANDLER)
        destination = {"OnFailure": {"Destination": f"{SQS}:records"}}
        aws.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=destination)
        aws.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({"for": name}))
    until(lambda: messages(server, dead) == 2, "both records", every=0.1)
    assert [owner["kind"] for owner in listed(server)["records"]["of"]] == ["destination", "destination"]
    heal(server, "one")
    heal(server, "other")
    assert dlq(server, "redrive", "records") == "1 to lambda:one\n1 to lambda:other\n"
    for name in ("one", "other"):
        until(lambda name=name: got(server, name) == [f'{{"for": "{name}"}}'] * 2, f"{name} once more", every=0.2)


def test_no_message_of_an_error_loses_its_dead_letter(server: Process) -> None:
    aws, dead = server.client("lambda"), queue(server, "odd-dead")
    source = "def handler(event, context): raise ValueError(event['why'])"
    create(aws, "odd", source, DeadLetterConfig={"TargetArn": f"{SQS}:odd-dead"})
    aws.put_function_event_invoke_config(FunctionName="odd", MaximumRetryAttempts=0)
    for why in ("", "\x1b[31mred", "\x00"):
        aws.invoke(FunctionName="odd", InvocationType="Event", Payload=json.dumps({"why": why}))
    aws.invoke(FunctionName="odd", InvocationType="Event", Payload='{"why": "\uffff"}'.encode())
    until(lambda: messages(server, dead) == 4, "every dead letter", every=0.1)
    shown = dlq(server, "show", "odd-dead")
    assert "  ErrorMessage: ValueError\n" in shown
    assert "  ErrorMessage: \ufffd[31mred\n" in shown
    assert '{"why": "\\uffff"}' in shown


def test_nobody_guesses_whose_message_it_is(server: Process) -> None:
    dead = queue(server, "shared")
    fails(server, "left", "shared", {"of": "left"})
    fails(server, "right", "shared")
    until(lambda: messages(server, dead) == 1, "the dead letter", every=0.1)
    said = dlq(server, "redrive", "shared", code=1)
    assert said == "1 stayed: it may be of any of left, right, which share this queue; say --to\n"
    assert messages(server, dead) == 1, "it is there for others at once"
    heal(server, "left")
    assert dlq(server, "redrive", "shared", "--to", f"{LAMBDA}:left") == "1 to lambda:left\n"
    until(lambda: got(server, "left") == ['{"of": "left"}'] * 2, "it once more", every=0.2)


def test_what_is_not_accepted_stays(server: Process) -> None:
    dead = queue(server, "orphans")
    fails(server, "gone", "orphans", {"n": 1})
    until(lambda: messages(server, dead) == 1, "the dead letter", every=0.1)
    said = dlq(server, "redrive", "orphans", "--to", f"{LAMBDA}:nobody", code=1)
    assert said.startswith("1 stayed: Function not found: ") and len(said.splitlines()) == 1
    said = dlq(server, "redrive", "orphans", "--to", f"{SNS}:nothing", code=1)
    assert said == "1 stayed: sns:nothing: Topic does not exist\n"
    server.client("lambda").delete_function(FunctionName="gone")
    said = dlq(server, "redrive", "orphans", code=1)
    assert "sqs:orphans is nobody's dead-letter queue: say --to where its messages are to go" in said
    assert messages(server, dead) == 1


def test_what_fails_again_at_once_does_not_go_round(server: Process) -> None:
    dead = queue(server, "round")
    fails(server, "hopeless", "round", *({"n": number} for number in range(3)))
    until(lambda: messages(server, dead) == 3, "the dead letters", every=0.1)
    assert dlq(server, "redrive", "round") == "3 to lambda:hopeless\n"
    until(lambda: messages(server, dead) == 3, "the dead letters again", every=0.1)


def well(server: Process, name: str) -> None:
    """A function that does not fail."""
    create(server.client("lambda"), name, HANDLER, Environment={"Variables": {"WELL": "yes"}})


def test_what_a_rule_could_not_deliver_goes_to_its_target(server: Process) -> None:
    events, dead = server.client("events"), queue(server, "rule-dead")
    events.put_rule(Name="paid", EventPattern=json.dumps({"source": ["shop"]}))
    target = {"Id": "1", "Arn": f"{LAMBDA}:paid", "DeadLetterConfig": {"Arn": f"{SQS}:rule-dead"}}
    events.put_targets(Rule="paid", Targets=[target])
    entry = {"Source": "shop", "DetailType": "paid", "Detail": json.dumps({"amount": 150})}
    events.put_events(Entries=[entry])
    until(lambda: messages(server, dead) == 1, "the dead letter", every=0.1)
    rule = f"arn:aws:events:{US}:rule/paid"
    assert listed(server)["rule-dead"]["of"] == [{"kind": "rule", "arn": rule, "target": f"{LAMBDA}:paid"}]
    shown = dlq(server, "show", "rule-dead")
    assert f"  RULE_ARN: {rule}\n  TARGET_ARN: {LAMBDA}:paid\n  ERROR_CODE: NO_RESOURCE\n" in shown
    assert "1 stayed: Function not found" in dlq(server, "redrive", "rule-dead", code=1)
    well(server, "paid")
    assert dlq(server, "redrive", "rule-dead") == "1 to lambda:paid\n"
    (event,) = until(lambda: got(server, "paid"), "the event", every=0.2)
    assert json.loads(event)["detail"] == {"amount": 150}


def test_what_only_a_rule_can_deliver_it_delivers_once_more(server: Process) -> None:
    events, logs, dead = server.client("events"), server.client("logs"), queue(server, "only-rule-dead")
    well(server, "shaped")
    server.client("lambda").delete_function(FunctionName="shaped")
    with endpoint() as there:
        there.answers += [400]  # which is final
        key = {"ApiKeyName": "x-key", "ApiKeyValue": "secret"}
        connection = events.create_connection(
            Name="c", AuthorizationType="API_KEY", AuthParameters={"ApiKeyAuthParameters": key}
        )["ConnectionArn"]
        hook = events.create_api_destination(
            Name="hook", ConnectionArn=connection, InvocationEndpoint=there.url + "/*", HttpMethod="POST"
        )["ApiDestinationArn"]
        events.put_rule(Name="hard", EventPattern=json.dumps({"source": ["hard"]}))
        template = {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"n": <n>, "by": <aws.events.rule-name>}'}
        targets: list[dict[str, Any]] = [
            {"Id": "api", "Arn": hook, "RoleArn": ROLE, "HttpParameters": {"PathParameterValues": ["$.detail.n"]}},
            {"Id": "log", "Arn": f"arn:aws:logs:{US}:log-group:/aws/events/hard"},
            {"Id": "shaped", "Arn": f"{LAMBDA}:shaped", "InputTransformer": template},
        ]
        letters = {"DeadLetterConfig": {"Arn": f"{SQS}:only-rule-dead"}}
        answer = events.put_targets(Rule="hard", Targets=[{**target, **letters} for target in targets])
        assert not answer["FailedEntryCount"], answer
        sent = {"Source": "hard", "DetailType": "d", "Detail": '{"n": 7}'}
        event_id = events.put_events(Entries=[sent])["Entries"][0]["EventId"]
        until(lambda: messages(server, dead) == 3, "three dead letters", every=0.1)
        logs.create_log_group(logGroupName="/aws/events/hard")
        well(server, "shaped")
        events.disable_rule(Name="hard")
        said = dlq(server, "redrive", "only-rule-dead")
        assert said == "1 to api:hook\n1 to lambda:shaped\n1 to logs:/aws/events/hard\n"
        first, again = there.got(2)
        assert (again.path, again.body, again.headers["x-key"]) == ("/hook/7", first.body, "secret")
        assert json.loads(again.body)["id"] == event_id
    (kept,) = until(lambda: logs.filter_log_events(logGroupName="/aws/events/hard")["events"], "the event", every=0.1)
    assert json.loads(kept["message"])["id"] == event_id
    until(lambda: got(server, "shaped") == ['{"by": "hard", "n": 7}'], "the input", every=0.2)
    assert messages(server, dead) == 0


def test_what_fails_again_by_its_rule_is_a_dead_letter_again(server: Process) -> None:
    events, dead = server.client("events"), queue(server, "again-dead")
    events.put_rule(Name="again", EventPattern=json.dumps({"source": ["again"]}))
    target = {"Id": "1", "Arn": f"{LAMBDA}:nobody", "InputPath": "$.detail"}
    events.put_targets(Rule="again", Targets=[{**target, "DeadLetterConfig": {"Arn": f"{SQS}:again-dead"}}])
    events.put_events(Entries=[{"Source": "again", "DetailType": "d", "Detail": '{"n": 1}'}])
    until(lambda: messages(server, dead) == 1, "the dead letter", every=0.1)
    (before,) = map(json.loads, dlq(server, "show", "again-dead", "--json").splitlines())
    assert dlq(server, "redrive", "again-dead") == "1 to lambda:nobody\n"
    until(lambda: messages(server, dead) == 1, "the dead letter again", every=0.1)
    (after,) = map(json.loads, dlq(server, "show", "again-dead", "--json").splitlines())
    assert after["message_id"] != before["message_id"]
    assert (after["body"], after["message_attributes"]) == (before["body"], before["message_attributes"])


def test_what_a_topic_could_not_deliver_goes_to_its_subscriber(server: Process) -> None:
    sns, dead = server.client("sns"), queue(server, "topic-dead")
    well(server, "reads")
    topic = sns.create_topic(Name="news")["TopicArn"]
    redrive = json.dumps({"deadLetterTargetArn": f"{SQS}:topic-dead"})
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=f"{LAMBDA}:reads", Attributes={"RedrivePolicy": redrive})
    server.client("lambda").delete_function(FunctionName="reads")
    sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
    until(lambda: messages(server, dead) == 1, "the dead letter", every=0.1)
    (owner,) = listed(server)["topic-dead"]["of"]
    assert (owner["kind"], owner["target"]) == ("subscription", f"{LAMBDA}:reads")
    well(server, "reads")
    assert dlq(server, "redrive", "topic-dead") == "1 to lambda:reads\n"
    sns.publish(TopicArn=topic, Message="hello", Subject="greeting")
    again, directly = until(lambda: len(found := got(server, "reads")) == 2 and found, "both", every=0.2)
    (redriven,), (delivered,) = json.loads(again)["Records"], json.loads(directly)["Records"]
    own = ("MessageId", "Timestamp", "Signature")
    for record in (redriven, delivered):
        for name in own:
            assert record["Sns"].pop(name)
    assert redriven == delivered, "as if the topic itself had sent it"


def test_what_a_schedule_could_not_deliver_goes_to_its_target(server: Process) -> None:
    scheduler, dead = server.client("scheduler"), queue(server, "schedule-dead")
    scheduler.create_schedule(
        Name="nightly",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": f"{LAMBDA}:wakes",
            "RoleArn": ROLE,
            "Input": json.dumps({"wake": "up"}),
            "DeadLetterConfig": {"Arn": f"{SQS}:schedule-dead"},
        },
    )
    until(lambda: messages(server, dead) >= 1, "the dead letter", every=0.1)
    scheduler.delete_schedule(Name="nightly")
    well(server, "wakes")
    said = dlq(server, "redrive", "schedule-dead", code=1)
    assert "is nobody's dead-letter queue" in said
    assert dlq(server, "redrive", "schedule-dead", "--to", f"{LAMBDA}:wakes") == "1 to lambda:wakes\n"
    until(lambda: got(server, "wakes") == ['{"wake": "up"}'], "the input", every=0.2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "nowhere"), "there is no queue nowhere"),
        (("redrive", f"{SQS}:nowhere"), f"there is no queue {SQS}:nowhere"),
        (("redrive", "x", "--to", "nonsense"), "nonsense is not the ARN of a function, a queue, a topic or an event"),
        (("redrive", "x", "--to", "arn:aws:s3:::bucket"), "arn:aws:s3:::bucket is not the ARN of a function"),
    ],
)
def test_mistakes_are_one_sentence(server: Process, arguments: tuple[str, ...], says: str) -> None:
    said = dlq(server, *arguments, code=1)
    assert says in said and len(said.splitlines()) == 1


# Ways that need no server: what messages say of where they came from.

RULE, SCHEDULE = f"arn:aws:events:{US}:rule/r", f"arn:aws:scheduler:{US}:schedule/default/s"


def message(body: Any, **said: str) -> dict[str, Any]:
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in said.items()}
    return {"Body": body if isinstance(body, str) else json.dumps(body), "MessageAttributes": attributes}


def test_a_rules_or_schedules_dead_letter_goes_to_its_target() -> None:
    send = back(message("event", TARGET_ARN=f"{LAMBDA}:f", ERROR_CODE="NO_PERMISSIONS", RULE_ARN=RULE), [])
    assert (send.arn, send.body, send.attributes) == (f"{LAMBDA}:f", "event", {})


BUS = f"arn:aws:events:{US}:event-bus/b"


@pytest.mark.parametrize(
    ("action", "target", "request_", "sent", "group"),
    [
        (
            "lambda:invoke",
            f"{LAMBDA}:f",
            {"FunctionName": f"{LAMBDA}:f", "InvocationType": "Event", "Payload": "[1]"},
            "[1]",
            None,
        ),
        (
            "sqs:sendMessage",
            f"{SQS}:q.fifo",
            {"QueueUrl": f"https://sqs/{SQS[-12:]}/q.fifo", "MessageBody": "m", "MessageGroupId": "g"},
            "m",
            "g",
        ),
        ("sns:publish", f"{SNS}:news", {"TopicArn": f"{SNS}:news", "Message": "m"}, "m", None),
        (
            "eventbridge:putEvents",
            BUS,
            {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": BUS}]},
            '{"source": "s", "detail-type": "d", "detail": {}}',
            None,
        ),
    ],
)
def test_what_a_schedule_sends_is_in_the_request_it_made(
    action: str, target: str, request_: Any, sent: str, group: Any
) -> None:
    said = {"TARGET_ARN": f"arn:aws:scheduler:::aws-sdk:{action}", "SCHEDULE_ARN": SCHEDULE}
    send = back(message(request_, **said), [])
    assert (send.arn, send.body, send.group) == (target, sent, group)
    with pytest.raises(BulbError, match="too large to be kept whole"):
        back(message(request_, **said, IS_PAYLOAD_TRUNCATED="true"), [])
    for further in ({**request_, "DelaySeconds": 5}, {}, {"Entries": 5}, {"Entries": ["x"]}):
        with pytest.raises(BulbError, match="say --to"):  # more, or less, than can be sent from here
            back(message(further, **said), [])


HOOK = f"arn:aws:events:{US}:api-destination/hook/01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(("target", "reshapes"), [(f"{LAMBDA}:f", True), (HOOK, False), (HOOK, True)])
def test_only_the_rule_itself_can_reshape_or_call_an_api(target: str, reshapes: bool) -> None:
    rule = Owner("rule", RULE, target, "1", reshapes)
    letter = message("event", TARGET_ARN=target, RULE_ARN=RULE)
    send = back(letter, [rule, Owner("rule", RULE, f"{LAMBDA}:other", "2", reshapes=True)])
    assert (send.arn, send.body, send.by_rule) == (target, "event", rule)
    with pytest.raises(BulbError, match=r"rule:r has .* as several targets \(1, 2\), of one queue; say --to"):
        back(letter, [rule, Owner("rule", RULE, target, "2", reshapes)])


def test_what_a_rule_sends_as_it_came_needs_no_rule() -> None:
    other = Owner("rule", RULE, f"{LAMBDA}:f", "1", reshapes=True)
    send = back(message("event", TARGET_ARN=f"{LAMBDA}:g", RULE_ARN=RULE), [other])
    assert (send.arn, send.by_rule) == (f"{LAMBDA}:g", None)


def test_a_queue_gets_it_in_the_group_its_rule_puts_it_in() -> None:
    owners = [Owner("rule", RULE, f"{SQS}:{name}.fifo", group=name) for name in ("p", "q")]
    assert back(message("event", TARGET_ARN=f"{SQS}:q.fifo", RULE_ARN=RULE), owners).group == "q"


def test_a_target_nobody_can_send_to_asks_where_else() -> None:
    with pytest.raises(BulbError, match=r"schedule:s was to call arn:aws:scheduler:::aws-sdk:sqs:purgeQueue.* --to"):
        back(message("{}", TARGET_ARN="arn:aws:scheduler:::aws-sdk:sqs:purgeQueue", SCHEDULE_ARN=SCHEDULE), [])
    with pytest.raises(BulbError, match="only rule:r could call api:hook, and it does not any more; say --to"):
        back(message("{}", TARGET_ARN=HOOK, RULE_ARN=RULE), [])
    with pytest.raises(BulbError, match="is not the ARN of"):
        check_target(HOOK)


def test_an_event_that_goes_back_to_a_bus_keeps_its_time(server: Process) -> None:
    events, dead, heard = server.client("events"), queue(server, "bus-dead"), queue(server, "bus-heard")
    for bus in ("first", "second", "third"):
        events.create_event_bus(Name=bus)
    hops = [
        ("first", {"Arn": f"arn:aws:events:{US}:event-bus/second"}),
        ("second", {"Arn": f"arn:aws:events:{US}:event-bus/third", "DeadLetterConfig": {"Arn": f"{SQS}:bus-dead"}}),
        ("third", {"Arn": f"{SQS}:bus-heard"}),
    ]
    for bus, target in hops:
        events.put_rule(Name="on", EventBusName=bus, EventPattern=json.dumps({"source": ["shop"]}))
        events.put_targets(Rule="on", EventBusName=bus, Targets=[{"Id": "1", **target}])
    at = "2021-03-04T05:06:07Z"
    entry = {"Source": "shop", "DetailType": "d", "Detail": '{"n": 1}', "Resources": ["r"], "Time": at}
    events.put_events(Entries=[{**entry, "EventBusName": "first"}])
    until(lambda: messages(server, dead) == 1, "the dead letter", every=0.1)
    assert "ERROR_CODE: THIRD_ACCOUNT_HOP_DETECTED" in dlq(server, "show", "bus-dead")
    assert dlq(server, "redrive", "bus-dead") == "1 to bus:third\n"
    until(lambda: messages(server, heard) == 1, "the event", every=0.1)
    (got_,) = server.client("sqs").receive_message(QueueUrl=heard)["Messages"]
    event = json.loads(got_["Body"])
    assert (event["time"], event["detail"], event["resources"]) == (at, {"n": 1}, ["r"])


NOTIFICATION = {"Type": "Notification", "TopicArn": f"{SNS}:news", "Message": "m", "SigningCertURL": "u"}


def test_a_notification_goes_to_the_only_subscriber_it_can_be_of() -> None:
    one = Owner("subscription", f"{SNS}:news:1", f"{SQS}:q", protocol="sqs")
    elsewhere = Owner("subscription", f"{SNS}:other:1", f"{SQS}:p", protocol="sqs")
    assert back(message(NOTIFICATION), [one, elsewhere]).arn == f"{SQS}:q"
    second = Owner("subscription", f"{SNS}:news:2", f"{SQS}:r", protocol="sqs")
    with pytest.raises(BulbError, match=f"one of {SQS}:q, {SQS}:r"):
        back(message(NOTIFICATION), [one, second])
    with pytest.raises(BulbError, match="only the topic itself"):
        back(message(NOTIFICATION), [Owner("subscription", f"{SNS}:news:3", "http://x", protocol="http")])


def test_a_function_gets_a_notification_as_topics_send_it() -> None:
    one = Owner("subscription", f"{SNS}:news:1", f"{LAMBDA}:f", protocol="lambda")
    (record,) = json.loads(back(message(NOTIFICATION), [one]).body)["Records"]
    assert (record["EventSource"], record["EventSubscriptionArn"]) == ("aws:sns", one.arn)
    assert (record["Sns"]["Message"], record["Sns"]["SigningCertUrl"]) == ("m", "u")


def test_a_raw_message_keeps_its_attributes_where_only_a_subscription_can_have_sent_it() -> None:
    raw = message("text", colour="red")
    one = Owner("subscription", f"{SNS}:news:1", f"{SQS}:q", protocol="sqs")
    assert back(raw, [one]).attributes == raw["MessageAttributes"]
    with pytest.raises(BulbError, match="nothing in it says where it came from"):
        back(raw, [one, Owner("function", f"{LAMBDA}:f")])


def test_versions_of_one_function_are_no_riddle() -> None:
    lambdas = message("{}", RequestID="r", ErrorCode="200", ErrorMessage="m")
    versions = [Owner("function", f"{LAMBDA}:f:{number}") for number in ("2", "10")]
    assert back(lambdas, [*versions, Owner("function", f"{LAMBDA}:f")]).arn == f"{LAMBDA}:f"
    assert back(lambdas, versions).arn == f"{LAMBDA}:f:10"


def test_a_record_without_its_event_cannot_be_sent() -> None:
    context = {"functionArn": f"{LAMBDA}:f:live", "condition": "RetriesExhausted", "requestId": "r"}
    record = {"version": "1.0", "requestContext": context}
    with pytest.raises(BulbError, match="too large to keep the event in"):
        back(message(record), [])
    send = back(message({**record, "requestPayload": [1]}), [])
    assert (send.arn, send.body) == (f"{LAMBDA}:f:live", "[1]")
    assert to(f"{SQS}:q", message({**record, "requestPayload": [1]})).body == "[1]"


class Moving:
    """A queue's move task: under way to `destination`, if at all, and at its end when it is looked at twice."""

    def __init__(self, destination: str | None, *, is_under_way: bool) -> None:
        self.started: list[dict[str, Any]] = []
        self._looks = 0
        task = {"ApproximateNumberOfMessagesMoved": 5, "ApproximateNumberOfMessagesToMove": 9}
        self._task = {**task, **({} if destination is None else {"DestinationArn": destination})}
        self._is_there = is_under_way

    def start_message_move_task(self, **asked: Any) -> None:
        self.started.append(asked)
        self._is_there = True

    def list_message_move_tasks(self, **asked: Any) -> dict[str, Any]:
        self._looks += self._is_there
        status = "RUNNING" if self._looks <= 1 else "COMPLETED"
        return {"Results": [{**self._task, "Status": status}] if self._is_there else []}


@pytest.mark.parametrize(
    ("under_way", "wanted", "starts"),
    [(None, None, 0), (f"{SQS}:t", f"{SQS}:t", 0), (None, f"{SQS}:t", 1), ("nothing", None, 1)],
)
def test_a_move_that_is_under_way_is_waited_for(under_way: str | None, wanted: str | None, starts: int) -> None:
    """Whoever was interrupted, or lost the server meanwhile, asks again; another move is for the server to refuse."""
    sqs = Moving(under_way if under_way != "nothing" else None, is_under_way=under_way != "nothing")
    moved = moving.by_task({"sqs": sqs}, f"{SQS}:dead", wanted, "there", lambda moved, most: None)
    assert (moved.to, len(sqs.started)) == ({"there": 5}, starts)
