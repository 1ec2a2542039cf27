"""Code signing configurations: kept, given to functions, and what Enforce and Warn do to code that is not signed."""

from typing import Any

import pytest

from tests.services.lambda_.room import ARN, Room, zipped
from tests.services.lambda_.test_refusals import refused

PUBLISHER = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789"
NOWHERE = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"
MISSING = ("ResourceNotFoundException", "The Lambda code signing configuration ARN can not be found.", 404)


def made(room: Room, policy: str | None = None, **further: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"AllowedPublishers": {"SigningProfileVersionArns": [PUBLISHER]}, **further}
    if policy is not None:
        params["CodeSigningPolicies"] = {"UntrustedArtifactOnDeployment": policy}
    config: dict[str, Any] = room.client().create_code_signing_config(**params)["CodeSigningConfig"]
    return config


def test_create_change_delete(room: Room) -> None:
    aws = room.client()
    config = made(room, Description="d", Tags={"a": "1"})
    arn = config["CodeSigningConfigArn"]
    assert arn == f"arn:aws:lambda:us-east-1:000000000000:code-signing-config:{config['CodeSigningConfigId']}"
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert config["AllowedPublishers"] == {"SigningProfileVersionArns": [PUBLISHER]}
    assert config["Description"] == "d"
    assert aws.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"] == config
    room.clock.advance(1)
    changed = aws.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}
    )["CodeSigningConfig"]
    assert changed == {
        **config,
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Enforce"},
        "LastModified": changed["LastModified"],
    }
    assert changed["LastModified"] > config["LastModified"]
    assert aws.list_tags(Resource=arn)["Tags"] == {"a": "1"}
    aws.tag_resource(Resource=arn, Tags={"b": "2"})
    aws.untag_resource(Resource=arn, TagKeys=["a"])
    assert aws.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    other = room.client(access_key="111122223333")
    assert refused(other.get_code_signing_config, CodeSigningConfigArn=arn) == MISSING
    assert refused(other.delete_code_signing_config, CodeSigningConfigArn=arn) == MISSING
    made(room)
    pages = aws.get_paginator("list_code_signing_configs").paginate(PaginationConfig={"PageSize": 1})
    assert [len(page["CodeSigningConfigs"]) for page in pages] == [1, 1]
    assert aws.delete_code_signing_config(CodeSigningConfigArn=arn)["ResponseMetadata"]["HTTPStatusCode"] == 204
    for operation in ("get", "update", "delete"):
        assert refused(getattr(aws, f"{operation}_code_signing_config"), CodeSigningConfigArn=arn) == MISSING


def test_functions_have_one(room: Room) -> None:
    aws = room.client()
    arn = made(room)["CodeSigningConfigArn"]
    room.create("made-with", CodeSigningConfigArn=arn)
    room.create("given")
    assert "CodeSigningConfigArn" not in aws.get_function_code_signing_config(FunctionName="given")
    given = aws.put_function_code_signing_config(FunctionName="given", CodeSigningConfigArn=arn)
    assert (given["CodeSigningConfigArn"], given["FunctionName"]) == (arn, "given")
    for name in ("made-with", "given"):
        assert aws.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    listed = aws.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]
    assert listed == [f"{ARN}:given", f"{ARN}:made-with"]
    pages = aws.get_paginator("list_functions_by_code_signing_config").paginate(
        CodeSigningConfigArn=arn, PaginationConfig={"PageSize": 1}
    )
    assert [page["FunctionArns"] for page in pages] == [[listed[0]], [listed[1]]]
    assert refused(aws.delete_code_signing_config, CodeSigningConfigArn=arn)[0] == "ResourceConflictException"
    aws.delete_function_code_signing_config(FunctionName="given")
    assert "CodeSigningConfigArn" not in aws.get_function_code_signing_config(FunctionName="given")
    aws.delete_function(FunctionName="made-with")
    aws.delete_code_signing_config(CodeSigningConfigArn=arn)
    missing = (
        "CodeSigningConfigNotFoundException",
        "The code signing configuration cannot be found. "
        f"Check that the provided configuration is not deleted: {NOWHERE}.",
        404,
    )
    put = aws.put_function_code_signing_config
    assert refused(put, FunctionName="given", CodeSigningConfigArn=NOWHERE) == missing
    assert refused(room.create, name="new", CodeSigningConfigArn=NOWHERE) == missing
    nobody = ("ResourceNotFoundException", f"Function not found: {ARN}:nobody", 404)
    assert refused(aws.get_function_code_signing_config, FunctionName="nobody") == nobody


def test_enforce_refuses_every_deployment_and_warn_none(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    aws = room.client()
    enforce = made(room, "Enforce")["CodeSigningConfigArn"]
    refusal = (
        "CodeVerificationFailedException",
        f"Lambda cannot deploy the function: its code is not signed by an allowed publisher of {enforce}. Bulb cannot "
        "verify signatures, so no code is; set UntrustedArtifactOnDeployment to Warn to deploy unsigned code.",
        400,
    )
    layer = aws.publish_layer_version(LayerName="l", Content={"ZipFile": zipped()})["LayerVersionArn"]
    assert refused(room.create, CodeSigningConfigArn=enforce) == refusal
    before = room.create()["CodeSha256"]
    aws.put_function_code_signing_config(FunctionName="f", CodeSigningConfigArn=enforce)
    code = {"FunctionName": "f", "ZipFile": zipped({"app.py": "def handler(e, c): return 2"})}
    assert refused(aws.update_function_code, **code) == refusal
    assert refused(aws.update_function_configuration, FunctionName="f", Layers=[layer]) == refusal
    aws.update_function_configuration(FunctionName="f", Timeout=4)
    assert room.settle("f")["CodeSha256"] == before
    aws.update_code_signing_config(
        CodeSigningConfigArn=enforce, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Warn"}
    )
    aws.update_function_code(**code)
    assert room.settle("f")["CodeSha256"] != before
    assert f"{ARN}:f was deployed unsigned; {enforce} only warns" in caplog.messages
