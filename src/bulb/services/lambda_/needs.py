"""What Lambda's calls ask of policies where these are enforced: actions, resources, condition keys of Lambda's own.

A call that names a function needs the action of its operation's name on the ARN as the caller named it, qualified or
not; what does otherwise is in the tables. ARNs are written anew, for a policy must not be evaded by writing one in
another of the ways Lambda takes. Source: the Service Authorization Reference and the developer guide.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bulb.core.arn import arn, parse_arn
from bulb.core.calls import Call
from bulb.core.errors import AwsError
from bulb.identity.needs import Need
from bulb.services.lambda_ import errors, layers, names

_ACTIONS = {
    "Invoke": "InvokeFunction",
    "InvokeAsync": "InvokeFunction",
    "InvokeWithResponseStream": "InvokeFunction",
    "GetLayerVersionByArn": "GetLayerVersion",
}
# Operations that others may be let into by a function's policy. The others answer them as if nothing were there.
_ACROSS_ACCOUNTS = frozenset(
    {
        "CreateAlias",
        "DeleteAlias",
        "DeleteFunction",
        "DeleteFunctionConcurrency",
        "GetAlias",
        "GetFunction",
        "GetFunctionConcurrency",
        "GetFunctionConfiguration",
        "GetPolicy",
        "Invoke",
        "InvokeAsync",
        "InvokeWithResponseStream",
        "ListAliases",
        "ListProvisionedConcurrencyConfigs",
        "ListVersionsByFunction",
        "PublishVersion",
        "PutFunctionConcurrency",
        "UpdateAlias",
        "UpdateFunctionCode",
        "UpdateFunctionEventInvokeConfig",
    }
)
_PASSED_TO = {"iam:passedtoservice": "lambda.amazonaws.com"}
# Parameters that are condition keys too.
_KEYS = {
    "Principal": "lambda:principal",
    "FunctionUrlAuthType": "lambda:functionurlauthtype",
    "AuthType": "lambda:functionurlauthtype",
    "CodeSigningConfigArn": "lambda:codesigningconfigarn",
    "Layers": "lambda:layer",
}
_VPC_KEYS = {"SubnetIds": "lambda:subnetids", "SecurityGroupIds": "lambda:securitygroupids"}


async def needs(call: Call) -> Sequence[Need]:
    """All that the caller must be allowed. Raises AccessDeniedException where no policy can let another account in."""
    context = _context(call.params)
    special = _OWN.get(call.operation)
    if special is not None:
        context |= _mapped_function(call)
        own = [Need(action, resource, context) for action, resource in special(call)]
    elif "FunctionName" in call.params:
        own = [_of_function(call, context)]
    else:
        own = [Need(_action(call), "*", context)]
    return (*own, *_of_others(call))


def _of_function(call: Call, context: Mapping[str, Any]) -> Need:
    resource, account = _function_arn(call, call.params["FunctionName"])
    is_elsewhere = account != call.caller.account
    if is_elsewhere and call.operation not in _ACROSS_ACCOUNTS:
        raise errors.access_denied()
    return Need(_action(call), resource, context, acts_there=is_elsewhere)


def _action(call: Call) -> str:
    return f"lambda:{_ACTIONS.get(call.operation, call.operation)}"


def _context(params: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    found: dict[str, str | Sequence[str]] = {key: params[name] for name, key in _KEYS.items() if params.get(name)}
    vpc = params.get("VpcConfig") or {}
    found.update({key: vpc[name] for name, key in _VPC_KEYS.items() if vpc.get(name)})
    return found


def _of_others(call: Call) -> list[Need]:
    """What a function is made of belongs to other services, or is a layer."""
    params = call.params
    wanted = []
    if params.get("Role"):
        wanted.append(_passed(params["Role"], call.caller.account))
    if call.operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        wanted += [Need("lambda:GetLayerVersion", _anew(named)) for named in params.get("Layers") or ()]
    code = params.get("Code") or params.get("Content") or params
    if code.get("S3Bucket") and code.get("S3Key"):
        action = "s3:GetObjectVersion" if code.get("S3ObjectVersion") else "s3:GetObject"
        wanted.append(Need(action, f"arn:aws:s3:::{code['S3Bucket']}/{code['S3Key']}"))
    return wanted


def _passed(role: str, account: str) -> Need:
    """Raises AwsError for the role of another account."""
    parsed = parse_arn(role)
    if parsed is not None and parsed.account != account:
        raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)
    return Need("iam:PassRole", role, _PASSED_TO)


_Named = list[tuple[str, str]]


def _layer(call: Call) -> _Named:
    key = layers.layer_key(call.account, call.region, call.params["LayerName"])
    version = call.params.get("VersionNumber")
    return [(_action(call), f"{key.arn}:{version}" if version is not None else key.arn)]


def _layer_by_arn(call: Call) -> _Named:
    return [(_action(call), _anew(call.params["Arn"]))]


def _anew(given: str) -> str:
    parsed = parse_arn(given)
    return arn("lambda", parsed.region, parsed.account, parsed.resource) if parsed is not None else given


def _tagged(call: Call) -> _Named:
    resource = call.params["Resource"]
    return [(_action(call), _function_arn(call, resource)[0] if ":function:" in resource else resource)]


def _parameter(name: str) -> Callable[[Call], _Named]:
    return lambda call: [(_action(call), call.params[name])]


def _mapped_function(call: Call) -> dict[str, str]:
    """The function of an event source mapping is a condition, not the resource."""
    name = call.params.get("FunctionName")
    if not name or "EventSourceMapping" not in call.operation:
        return {}
    return {"lambda:functionarn": _function_arn(call, name)[0]}


def _function_arn(call: Call, name: str) -> tuple[str, str]:
    """Its ARN as the caller named it, and its account."""
    parts = names.parse(name)
    qualifier = parts.qualifier or call.params.get("Qualifier")
    account = parts.account or call.caller.account
    found = f"arn:aws:lambda:{parts.region or call.region}:{account}:function:{parts.name}"
    return (f"{found}:{qualifier}" if qualifier else found), account


def _mapping(call: Call) -> _Named:
    resource = f"event-source-mapping:{call.params['UUID']}"
    return [(_action(call), arn("lambda", call.region, call.account, resource))]


def _anything(call: Call) -> _Named:
    return [(_action(call), "*")]


def _code_signing_of_function(call: Call) -> _Named:
    function = _of_function(call, {})
    return [(function.action, function.resource), (function.action, call.params["CodeSigningConfigArn"])]


def _resource_policy(call: Call) -> _Named:
    """A whole document in place of another does what adding and removing statements does."""
    resource, account = _function_arn(call, call.params["ResourceArn"])
    if account != call.caller.account:
        raise errors.access_denied()
    implied = ("AddPermission", "RemovePermission") if call.operation == "PutResourcePolicy" else ()
    return [(f"lambda:{action}", resource) for action in (call.operation, *implied)]


_OWN: dict[str, Callable[[Call], _Named]] = {
    **dict.fromkeys(
        (
            "PublishLayerVersion",
            "GetLayerVersion",
            "ListLayerVersions",
            "DeleteLayerVersion",
            "AddLayerVersionPermission",
            "RemoveLayerVersionPermission",
            "GetLayerVersionPolicy",
        ),
        _layer,
    ),
    "GetLayerVersionByArn": _layer_by_arn,
    **dict.fromkeys(("GetEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping"), _mapping),
    **dict.fromkeys(("CreateEventSourceMapping", "ListEventSourceMappings", "CreateCodeSigningConfig"), _anything),
    **dict.fromkeys(
        (
            "GetCodeSigningConfig",
            "UpdateCodeSigningConfig",
            "DeleteCodeSigningConfig",
            "ListFunctionsByCodeSigningConfig",
        ),
        _parameter("CodeSigningConfigArn"),
    ),
    "PutFunctionCodeSigningConfig": _code_signing_of_function,
    **dict.fromkeys(("ListTags", "TagResource", "UntagResource"), _tagged),
    **dict.fromkeys(("PutResourcePolicy", "GetResourcePolicy", "DeleteResourcePolicy"), _resource_policy),
}
