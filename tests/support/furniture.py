"""What requests to Lambda name besides a function: versions, aliases, layers, URLs and what is set for them."""

from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from tests.support import functions
from tests.support.plausible import ALIAS, FUNCTION, FUNCTION_ARN, LAYER

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/one"


def furnish(aws: Any) -> dict[str, str | int]:
    """Make it all for the function `FUNCTION`; what is still there is left. What the server calls it."""
    with suppress(ClientError):
        aws.delete_function_concurrency(FunctionName=FUNCTION)
    named: dict[str, str | int] = {}
    with suppress(ClientError):
        published = aws.publish_version(FunctionName=FUNCTION)
        named = {"@published": published["Version"], "@revision": published["RevisionId"]}
    named |= _alias(aws, str(named.get("@published", "1")))
    named |= _layer(aws)
    named["@signing"] = _code_signing(aws)
    for make, arguments in (
        (aws.create_function_url_config, {"AuthType": "NONE", "Qualifier": ALIAS}),
        (aws.create_function_url_config, {"AuthType": "AWS_IAM", "Cors": {"AllowOrigins": ["*"]}}),
        (aws.put_function_event_invoke_config, {"MaximumRetryAttempts": 0, "Qualifier": ALIAS}),
        (aws.put_function_event_invoke_config, {"DestinationConfig": {"OnFailure": {"Destination": FUNCTION_ARN}}}),
        (aws.put_provisioned_concurrency_config, {"Qualifier": ALIAS, "ProvisionedConcurrentExecutions": 1}),
        (aws.put_function_code_signing_config, {"CodeSigningConfigArn": named["@signing"]}),
        (
            aws.add_permission,
            {"StatementId": "one", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"},
        ),
        (aws.put_function_recursion_config, {"RecursiveLoop": "Allow"}),
    ):
        with suppress(ClientError):
            make(FunctionName=FUNCTION, **arguments)
    return named


def _alias(aws: Any, version: str) -> dict[str, str]:
    with suppress(ClientError):
        aws.create_alias(FunctionName=FUNCTION, Name=ALIAS, FunctionVersion=version)
    with suppress(ClientError):
        return {"@alias-revision": aws.get_alias(FunctionName=FUNCTION, Name=ALIAS)["RevisionId"]}
    return {}


def _layer(aws: Any) -> dict[str, str | int]:
    """The newest version, which somebody else may use too."""
    found = aws.list_layer_versions(LayerName=LAYER)["LayerVersions"]
    if not found:
        content = {"ZipFile": functions.zipped(shared="value = 1")}
        found = [aws.publish_layer_version(LayerName=LAYER, Content=content)]
    number = found[0]["Version"]
    with suppress(ClientError):
        aws.add_layer_version_permission(
            LayerName=LAYER, VersionNumber=number, StatementId="one", Action="lambda:GetLayerVersion", Principal="*"
        )
    return {"@layer-version": number, "@layer-arn": found[0]["LayerVersionArn"]}


def _code_signing(aws: Any) -> str:
    found = aws.list_code_signing_configs()["CodeSigningConfigs"]
    if not found:
        publishers = {"SigningProfileVersionArns": [f"{PROFILE}/abcdefghij"]}
        found = [aws.create_code_signing_config(AllowedPublishers=publishers)["CodeSigningConfig"]]
    return str(found[0]["CodeSigningConfigArn"])
