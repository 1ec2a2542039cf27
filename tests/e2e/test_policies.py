"""Where policies are enforced: whoever was not allowed may not, and is told so in AWS's words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import HealthCheck, Phase, given, settings

from tests.support import plausible
from tests.support.bulb import Running, running_bulb
from tests.support.functions import PYTHON, ROLE, create, invoke, zipped
from tests.support.guarded import BY_LAMBDA, ELSEWHERE, HOME, allow, denied, deny, document, guarded_server, say, user
from tests.support.strict import Keys, answered, fetched, root_of, session_of, signed
from tests.wire.clients import model

ECHO = """
    def handler(event, context):
        return [event, context.invoked_function_arn]
"""
CALLING = """
    import boto3

    def handler(event, context):
        client = boto3.client(event["service"])
        try:
            getattr(client, event["operation"])(**event["arguments"])
        except client.exceptions.ClientError as error:
            return error.response["Error"]["Message"]
        return "done"
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with guarded_server(tmp_path_factory.mktemp("guarded") / "data") as bulb:
        yield bulb


@pytest.fixture(scope="module")
def root(guarded: Running) -> Keys:
    return root_of(guarded)


@pytest.fixture(scope="module")
def arn(guarded: Running, root: Keys) -> str:
    return create(guarded.client("lambda", **root), "f", ECHO)


def test_a_user_without_policies_may_do_nothing_but_ask_who_they_are(guarded: Running, arn: str) -> None:
    keys = user(guarded, "nobody")
    me = f"arn:aws:iam::{HOME}:user/nobody"
    assert guarded.client("sts", **keys).get_caller_identity()["Arn"] == me

    def message(action: str, resource: str) -> str:
        start = f"User: {me} is not authorized to perform: {action} on resource: {resource}"
        return f"{start} because no identity-based policy allows the {action} action"

    aws, s3 = guarded.client("lambda", **keys), guarded.client("s3", **keys)
    assert denied(aws.invoke, FunctionName="f") == message("lambda:InvokeFunction", arn)
    assert denied(aws.invoke_with_response_stream, FunctionName="f") == message("lambda:InvokeFunction", arn)
    assert denied(aws.list_functions) == message("lambda:ListFunctions", "*")
    assert denied(aws.get_function, FunctionName="f", Qualifier="live") == message("lambda:GetFunction", f"{arn}:live")
    assert denied(s3.list_buckets) == message("s3:ListAllMyBuckets", '"arn:aws:s3:::*"')
    assert denied(s3.get_object, Bucket="b", Key="k") == message("s3:GetObject", '"arn:aws:s3:::b/k"')
    groups = f"arn:aws:logs:us-east-1:{HOME}:log-group::log-stream:"
    assert denied(guarded.client("logs", **keys).describe_log_groups) == message("logs:DescribeLogGroups", groups)
    iam = guarded.client("iam", **keys)
    assert denied(iam.list_users) == message("iam:ListUsers", f"arn:aws:iam::{HOME}:user/")
    assert denied(iam.create_access_key) == message("iam:CreateAccessKey", me)


def test_the_bytes_of_a_refusal(guarded: Running, arn: str) -> None:
    keys = user(guarded, "bytes")
    reply = answered(
        guarded, signed(guarded, "lambda", "POST", "/2015-03-31/functions/f/invocations", b"{}", keys=keys)
    )
    assert reply.status == 403
    assert dict(reply.headers)["x-amzn-errortype"] == "AccessDeniedException"
    assert json.loads(reply.body) == {
        "Message": f"User: arn:aws:iam::{HOME}:user/bytes is not authorized to perform: lambda:InvokeFunction on "
        f"resource: {arn} because no identity-based policy allows the lambda:InvokeFunction action"
    }


def test_the_operators_key_may_do_everything(guarded: Running, root: Keys, arn: str) -> None:
    assert invoke(guarded.client("lambda", **root), "f", 1)[0] == [1, arn]


def test_policies_count_from_the_moment_they_are_changed(guarded: Running, root: Keys, arn: str) -> None:
    keys, iam = user(guarded, "changing", path="/team/"), guarded.client("iam", **root)
    aws = guarded.client("lambda", **keys)
    denied(aws.invoke, FunctionName="f")
    say(iam, "changing", allow("lambda:Invoke*", arn))
    assert invoke(aws, "f", 1)[0] == [1, arn]
    assert "no identity-based policy allows" in denied(aws.invoke, FunctionName="f:$LATEST")
    say(iam, "changing", allow("lambda:*"), deny("lambda:InvokeFunction", arn))
    assert denied(aws.invoke, FunctionName="f").endswith(f"{arn} with an explicit deny in an identity-based policy")
    aws.get_function(FunctionName="f")
    iam.delete_user_policy(UserName="changing", PolicyName="own")
    denied(aws.get_function, FunctionName="f")

    policy = iam.create_policy(PolicyName="calls", PolicyDocument=document(allow("lambda:InvokeFunction")))
    policy_arn = policy["Policy"]["Arn"]
    iam.attach_user_policy(UserName="changing", PolicyArn=policy_arn)
    invoke(aws, "f", 1)
    assert iam.list_entities_for_policy(PolicyArn=policy_arn)["PolicyUsers"][0]["UserName"] == "changing"
    iam.create_policy_version(PolicyArn=policy_arn, PolicyDocument=document(allow("s3:*")), SetAsDefault=True)
    denied(aws.invoke, FunctionName="f")
    iam.set_default_policy_version(PolicyArn=policy_arn, VersionId="v1")
    invoke(aws, "f", 1)
    iam.detach_user_policy(UserName="changing", PolicyArn=policy_arn)
    denied(aws.invoke, FunctionName="f")
    iam.attach_user_policy(UserName="changing", PolicyArn="arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess")
    aws.get_function(FunctionName="f")
    denied(aws.delete_function, FunctionName="f")


def test_a_functions_policy_is_enough_at_home_when_it_names_the_caller(guarded: Running, root: Keys, arn: str) -> None:
    owner, aws = guarded.client("lambda", **root), guarded.client("lambda", **user(guarded, "guest"))
    grant = {"FunctionName": "f", "Action": "lambda:InvokeFunction"}
    owner.add_permission(StatementId="account", Principal=HOME, **grant)
    assert "no identity-based policy" in denied(aws.invoke, FunctionName="f")
    owner.add_permission(StatementId="guest", Principal=f"arn:aws:iam::{HOME}:user/guest", **grant)
    assert invoke(aws, "f", 1)[0] == [1, arn]
    owner.remove_permission(FunctionName="f", StatementId="guest")
    denied(aws.invoke, FunctionName="f")


def test_a_functions_policy_can_deny(guarded: Running, root: Keys) -> None:
    owner, aws = guarded.client("lambda", **root), guarded.client("lambda", **user(guarded, "barred", allow("*")))
    arn = create(owner, "barring", ECHO)
    invoke(aws, "barring")
    barred = deny("lambda:InvokeFunction", arn, Sid="no", Principal={"AWS": f"arn:aws:iam::{HOME}:user/barred"})
    owner.put_resource_policy(ResourceArn=arn, Policy=document(barred))
    assert denied(aws.invoke, FunctionName="barring").endswith("with an explicit deny in a resource-based policy")


def test_conditions_and_variables(guarded: Running, root: Keys) -> None:
    s3 = guarded.client("s3", **root)
    s3.create_bucket(Bucket="homes")
    here = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}, "IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    keys = user(
        guarded,
        "ann",
        allow("s3:*Object", "arn:aws:s3:::homes/${aws:username}/*", Condition=here),
        allow("s3:ListBucket", "arn:aws:s3:::homes", Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}),
    )
    own = guarded.client("s3", **keys)
    own.put_object(Bucket="homes", Key="ann/a", Body=b"x")
    assert own.get_object(Bucket="homes", Key="ann/a")["Body"].read() == b"x"
    assert [each["Key"] for each in own.list_objects_v2(Bucket="homes", Prefix="ann/")["Contents"]] == ["ann/a"]
    denied(own.put_object, Bucket="homes", Key="bob/a", Body=b"x")
    denied(own.list_objects_v2, Bucket="homes", Prefix="bob/")
    denied(own.list_objects_v2, Bucket="homes")
    s3.put_object(Bucket="homes", Key="bob/secret", Body=b"s")
    denied(own.copy_object, Bucket="homes", Key="ann/b", CopySource="homes/bob/secret")
    own.copy_object(Bucket="homes", Key="ann/b", CopySource="homes/ann/a")
    denied(own.delete_objects, Bucket="homes", Delete={"Objects": [{"Key": "ann/b"}, {"Key": "bob/secret"}]})
    own.delete_objects(Bucket="homes", Delete={"Objects": [{"Key": "ann/b"}]})
    link = own.generate_presigned_url("get_object", Params={"Bucket": "homes", "Key": "bob/secret"})
    assert fetched(link)[0] == 403
    link = own.generate_presigned_url("get_object", Params={"Bucket": "homes", "Key": "ann/a"})
    assert fetched(link) == (200, b"x")


# Roles.


def test_a_role_is_assumed_by_leave_of_its_trust_policy(guarded: Running, root: Keys) -> None:
    iam, keys = guarded.client("iam", **root), user(guarded, "climber")
    sts = guarded.client("sts", **keys)

    def trusting(principal: Any, **members: Any) -> str:
        return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **members})

    role = iam.create_role(RoleName="top", AssumeRolePolicyDocument=document(BY_LAMBDA))["Role"]["Arn"]
    me = f"arn:aws:iam::{HOME}:user/climber"
    wanted: dict[str, Any] = {"RoleArn": role, "RoleSessionName": "up"}
    expected = f"User: {me} is not authorized to perform: sts:AssumeRole on resource: {role}"
    assert denied(sts.assume_role, **wanted) == expected
    say(iam, "climber", allow("sts:AssumeRole"))
    assert denied(sts.assume_role, **wanted) == expected
    iam.update_assume_role_policy(RoleName="top", PolicyDocument=trusting({"AWS": HOME}))
    sts.assume_role(**wanted)
    iam.delete_user_policy(UserName="climber", PolicyName="own")
    denied(sts.assume_role, **wanted)
    external = {"StringEquals": {"sts:ExternalId": "secret"}}
    iam.update_assume_role_policy(RoleName="top", PolicyDocument=trusting({"AWS": me}, Condition=external))
    denied(sts.assume_role, **wanted)
    sts.assume_role(ExternalId="secret", **wanted)


def test_a_session_may_do_what_its_role_and_its_own_policy_allow(guarded: Running, root: Keys, arn: str) -> None:
    iam = guarded.client("iam", **root)
    trust = document({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="worker", Path="/deep/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=document(allow("lambda:*")))
    sts = guarded.client("sts", **root)

    def session(**limits: str) -> Any:
        issued = sts.assume_role(RoleArn=role, RoleSessionName="one", **limits)["Credentials"]
        return guarded.client("lambda", **session_of(issued))

    whole = session()
    invoke(whole, "f")
    whole.get_function(FunctionName="f")
    calling = session(Policy=document(allow(["lambda:InvokeFunction", "s3:*"], "*")))
    invoke(calling, "f")
    me = f"arn:aws:sts::{HOME}:assumed-role/worker/one"
    assert denied(calling.get_function, FunctionName="f") == (
        f"User: {me} is not authorized to perform: lambda:GetFunction on resource: {arn} "
        "because no session policy allows the lambda:GetFunction action"
    )
    barred = session(Policy=document(allow("*"), deny("lambda:Get*")))
    assert denied(barred.get_function, FunctionName="f").endswith("with an explicit deny in a session policy")

    iam.delete_role_policy(RoleName="worker", PolicyName="p")
    denied(whole.get_function, FunctionName="f")
    iam.delete_role(RoleName="worker")
    iam.create_role(RoleName="worker", Path="/deep/", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=document(allow("lambda:*")))
    denied(whole.get_function, FunctionName="f")
    session().get_function(FunctionName="f")


def test_function_code_may_do_what_its_role_allows(guarded: Running, root: Keys) -> None:
    aws, iam = guarded.client("lambda", **root), guarded.client("iam", **root)
    create(aws, "calling", CALLING, Timeout=30, MemorySize=256)
    listing = {"service": "lambda", "operation": "list_functions", "arguments": {}}
    assert invoke(aws, "calling", listing)[0] == (
        f"User: arn:aws:sts::{HOME}:assumed-role/test/calling is not authorized to perform: lambda:ListFunctions on "
        "resource: * because no identity-based policy allows the lambda:ListFunctions action"
    )
    iam.put_role_policy(RoleName="test", PolicyName="p", PolicyDocument=document(allow("lambda:ListFunctions")))
    try:
        assert invoke(aws, "calling", listing)[0] == "done"
    finally:
        iam.delete_role_policy(RoleName="test", PolicyName="p")


def test_who_makes_a_function_must_be_allowed_to_pass_its_role_and_layers(guarded: Running, root: Keys) -> None:
    iam = guarded.client("iam", **root)
    aws = guarded.client("lambda", **user(guarded, "maker", allow("lambda:*Function*")))
    wanted: dict[str, Any] = {"FunctionName": "made", "Runtime": PYTHON, "Handler": "app.handler", "Role": ROLE}
    wanted["Code"] = {"ZipFile": zipped(app=ECHO)}
    assert denied(aws.create_function, **wanted).endswith(
        f"iam:PassRole on resource: {ROLE} because no identity-based policy allows the iam:PassRole action"
    )
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    say(iam, "maker", allow("lambda:*Function*"), allow("iam:PassRole", ROLE, Condition=to_lambda))
    layer = guarded.client("lambda", **root).publish_layer_version(LayerName="l", Content={"ZipFile": zipped(a="")})
    layer_arn = layer["LayerVersionArn"]
    assert f"lambda:GetLayerVersion on resource: {layer_arn} " in denied(
        aws.create_function, **wanted, Layers=[layer_arn]
    )
    elsewhere = {**wanted, "Role": f"arn:aws:iam::{ELSEWHERE}:role/r"}
    assert denied(aws.create_function, **elsewhere) == "Cross-account pass role is not allowed."
    aws.create_function(**wanted)
    other = iam.create_role(RoleName="untrusting", AssumeRolePolicyDocument=_trusts_nobody())["Role"]["Arn"]
    denied(aws.update_function_configuration, FunctionName="made", Role=other)
    with pytest.raises(aws.exceptions.InvalidParameterValueException) as caught:
        guarded.client("lambda", **root).create_function(**{**wanted, "FunctionName": "unmade", "Role": other})
    message = caught.value.response["Error"]["Message"]
    assert message == "The role defined for the function cannot be assumed by Lambda."


def _trusts_nobody() -> str:
    return document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})


def test_events_go_only_where_the_functions_role_may_send_them(guarded: Running, root: Keys, arn: str) -> None:
    aws, iam = guarded.client("lambda", **root), guarded.client("iam", **root)
    role = iam.create_role(RoleName="telling", AssumeRolePolicyDocument=document(BY_LAMBDA))["Role"]["Arn"]
    aws.create_function(
        FunctionName="telling", Runtime=PYTHON, Handler="app.handler", Role=role, Code={"ZipFile": zipped(app=ECHO)}
    )
    wanted = {"DestinationConfig": {"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}}}
    with pytest.raises(aws.exceptions.InvalidParameterValueException) as caught:
        aws.put_function_event_invoke_config(FunctionName="telling", **wanted)
    message = caught.value.response["Error"]["Message"]
    assert message == f"The function's execution role does not have permissions to call InvokeFunction on {arn}"
    may_call = document(allow("lambda:InvokeFunction", arn))
    iam.put_role_policy(RoleName="telling", PolicyName="p", PolicyDocument=may_call)
    aws.put_function_event_invoke_config(FunctionName="telling", **wanted)
    with pytest.raises(aws.exceptions.InvalidParameterValueException):
        to_bucket = {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::homes"}}}
        aws.update_function_event_invoke_config(FunctionName="telling", **to_bucket)
    may_put = document(allow("s3:PutObject", "arn:aws:s3:::homes/*"))
    iam.put_role_policy(RoleName="telling", PolicyName="q", PolicyDocument=may_put)
    aws.update_function_event_invoke_config(FunctionName="telling", **to_bucket)


def test_a_dead_letter_queue_is_one_that_the_functions_role_may_send_to(guarded: Running, root: Keys) -> None:
    aws, iam = guarded.client("lambda", **root), guarded.client("iam", **root)
    role = iam.create_role(RoleName="burying", AssumeRolePolicyDocument=document(BY_LAMBDA))["Role"]["Arn"]
    queue = f"arn:aws:sqs:us-east-1:{HOME}:dead"
    wanted: dict[str, Any] = {"Runtime": PYTHON, "Handler": "app.handler", "Role": role}
    aws.create_function(FunctionName="burying", Code={"ZipFile": zipped(app=ECHO)}, **wanted)
    aws.get_waiter("function_active_v2").wait(FunctionName="burying", WaiterConfig={"Delay": 0.05})
    change = {"FunctionName": "burying", "DeadLetterConfig": {"TargetArn": queue}}
    with pytest.raises(aws.exceptions.InvalidParameterValueException) as caught:
        aws.update_function_configuration(**change)
    message = caught.value.response["Error"]["Message"]
    assert message == "The provided execution role does not have permissions to call SendMessage on SQS"
    may_send = document(allow("sqs:SendMessage", queue))
    iam.put_role_policy(RoleName="burying", PolicyName="p", PolicyDocument=may_send)
    aws.update_function_configuration(**change)


def test_a_form_is_held_against_the_policies_of_who_signed_it(guarded: Running, root: Keys) -> None:
    guarded.client("s3", **root).create_bucket(Bucket="forms")
    keys = user(guarded, "poster", allow("s3:PutObject", "arn:aws:s3:::forms/mine/*"))
    s3 = guarded.client("s3", **keys, s3={"addressing_style": "path"})

    def posted(key: str) -> int:
        form = s3.generate_presigned_post("forms", key)
        parts = [*form["fields"].items(), ("file", "content")]
        body = "".join(f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in parts)
        kind = "multipart/form-data; boundary=x"
        return fetched(f"{guarded.url}/forms", "POST", f"{body}--x--\r\n".encode(), Content_Type=kind)[0]

    assert [posted("mine/a"), posted("theirs/a")] == [204, 403]


# Every operation.


@pytest.mark.parametrize("service", ["lambda", "s3", "logs", "iam", "sts"])
def test_nothing_is_done_or_told_to_who_was_not_allowed(guarded: Running, arn: str, service: str) -> None:
    keys = user(guarded, f"nobody-at-{service}")
    client = guarded.client(service, parameter_validation=False, retries={"max_attempts": 0}, **keys)
    free = {"GetCallerIdentity", "GetSessionToken"}
    asked = 0
    for name in model(service).operation_names:
        shape = model(service).operation_model(name).input_shape
        if name in free or shape is None:
            continue
        for params in _examples(shape):
            try:
                getattr(client, xform_name(name))(**params)
            except BotoCoreError:
                continue  # the request cannot be written
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            else:
                status = 200
            # 400: it does not fit the model, 501: there is no such operation here.
            assert status in (400, 403, 501), (name, params)
            asked += status == 403
    assert asked > (1 if service == "sts" else 10)


def _examples(shape: Any) -> list[dict[str, Any]]:
    """Two that are always the same."""
    found: list[dict[str, Any]] = []

    @settings(
        max_examples=2,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(plausible.parameters(shape))
    def collect(params: dict[str, Any]) -> None:
        found.append(params)

    collect()
    return found


# Settings.


def test_they_are_only_stored_where_that_was_not_asked_for(tmp_path: Path) -> None:
    with running_bulb(tmp_path / "data", credentials="required", stock=0) as bulb:
        keys = user(bulb, "ann", deny("*"))
        bulb.client("lambda", **keys).list_functions()
