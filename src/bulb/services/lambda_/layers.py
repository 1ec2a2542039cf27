"""Layers: their names, which of them a function may use, and how they are shown. Pure.

A layer name is `NAME` or `arn:aws:lambda:R:ACCT:layer:NAME`; a version of it is that ARN with `:N` behind. AWS's own
layers (`arn:aws:lambda:::awslayer:…`) do not exist here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bulb.core.arn import arn, parse_arn
from bulb.core.clock import lambda_timestamp
from bulb.core.errors import AwsError, NotSupported
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import Code, Policy

MAX_LAYERS = 5
ACTION = "lambda:GetLayerVersion"


class LayerKey(NamedTuple):
    """Which layer, whatever the version."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """The layer's ARN."""
        return arn("lambda", self.region, self.account, f"layer:{self.name}")

    def version_arn(self, version: int) -> str:
        """The ARN of one version."""
        return f"{self.arn}:{version}"


class LayerRef(NamedTuple):
    """One version of a layer."""

    key: LayerKey
    version: int

    @property
    def arn(self) -> str:
        """The version's ARN."""
        return self.key.version_arn(self.version)


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """A published version; only its policy ever changes. Empty `runtimes` and `architectures` were not given."""

    ref: LayerRef
    created_at: float
    code: Code
    description: str = ""
    license_info: str | None = None
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    policy: Policy | None = None

    def fits(self, runtime: str | None, architecture: str | None) -> bool:
        """Whether lists that ask for a runtime or an architecture show it."""
        return (runtime is None or runtime in self.runtimes) and (
            architecture is None or architecture in self.architectures
        )

    def may_be_used_by(self, account: str) -> bool:
        """The owner always; others when a statement of the policy names them, or everybody."""
        if account == self.ref.key.account:
            return True
        everybody_and_them = ("*", {"AWS": f"arn:aws:iam::{account}:root"})
        # A statement for an organization lets nobody in: accounts here belong to none.
        statements = self.policy.statements if self.policy is not None else ()
        return any(entry["Principal"] in everybody_and_them and "Condition" not in entry for entry in statements)


def layer_key(account: str, region: str, name: str) -> LayerKey:
    """The layer a LayerName means. Raises ResourceNotFoundException for another region's."""
    parsed = parse_arn(name)
    if parsed is None:
        return LayerKey(account, region, name)
    if parsed.region != region:
        raise errors.no_such_resource()
    return LayerKey(parsed.account, parsed.region, parsed.resource.removeprefix("layer:"))


def layer_ref(version_arn: str) -> LayerRef:
    """The version a LayerVersionArn means; its form has been checked. Raises NotSupported for AWS's own layers."""
    parsed = parse_arn(version_arn)
    if parsed is None or not parsed.resource.startswith("layer:"):
        raise NotSupported(f"the layer {version_arn}")
    name, _, version = parsed.resource.removeprefix("layer:").partition(":")
    return LayerRef(LayerKey(parsed.account, parsed.region, name), check_version(int(version)))


def check_version(version: int) -> int:
    """A number a layer version can have. Raises InvalidParameterValueException."""
    if version < 1:
        raise errors.invalid("Layer Version Cannot be less than 1")
    return version


def chosen(arns: Sequence[str], region: str) -> list[LayerRef]:
    """The versions a function asks for, in order.

    Raises InvalidParameterValueException: more than five, another region, one layer twice.
    """
    if len(arns) > MAX_LAYERS:
        raise errors.invalid(f"Cannot reference more than {MAX_LAYERS} layers.")
    seen: dict[LayerKey, str] = {}
    refs = []
    for version_arn in arns:
        ref = layer_ref(version_arn)
        if ref.key.region != region:
            raise errors.invalid(
                f"Layers are not in the same region as the function. Layers are expected to be in region {region}."
            )
        if ref.key in seen:
            raise errors.invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{seen[ref.key]} and {version_arn} are versions of the same layer."
            )
        seen[ref.key] = version_arn
        refs.append(ref)
    return refs


def missing(ref: LayerRef) -> str:
    """What is said of a version that does not exist."""
    return f"Layer version {ref.arn} does not exist."


def not_shared(caller_arn: str, ref: LayerRef) -> AwsError:
    """Another account's layer without a permission; also when it does not exist, so that nobody learns which do."""
    return AwsError(
        "AccessDeniedException",
        f"User: {caller_arn} is not authorized to perform: {ACTION} on resource: {ref.arn} "
        f"because no resource-based policy allows the {ACTION} action",
        status=403,
    )


def check_size(size: int, limit: int) -> None:
    """Code and layers unpacked, in bytes. Raises InvalidParameterValueException."""
    if size > limit:
        raise errors.invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {limit} bytes. "
            f"The actual size is {size} bytes."
        )


def statement(ref: LayerRef, params: Mapping[str, Any]) -> dict[str, Any]:
    """The statement AddLayerVersionPermission writes; the model has checked the principal's form."""
    who: str = params["Principal"]
    account = who if who.isdecimal() else None
    written: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": who if who == "*" else {"AWS": f"arn:aws:iam::{account}:root" if account else who},
        "Action": params["Action"],
        "Resource": ref.arn,
    }
    if params.get("OrganizationId"):
        written["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": params["OrganizationId"]}}
    return written


def item(of: LayerVersion) -> dict[str, Any]:
    """An item of ListLayerVersions."""
    shown: dict[str, Any] = {
        "LayerVersionArn": of.ref.arn,
        "Version": of.ref.version,
        "Description": of.description,
        "CreatedDate": lambda_timestamp(of.created_at),
    }
    if of.runtimes:
        shown["CompatibleRuntimes"] = list(of.runtimes)
    if of.architectures:
        shown["CompatibleArchitectures"] = list(of.architectures)
    if of.license_info is not None:
        shown["LicenseInfo"] = of.license_info
    return shown


def whole(of: LayerVersion, location: Mapping[str, Any]) -> dict[str, Any]:
    """What publish and get answer. `location` says where the zip is."""
    return {
        "Content": {**location, "CodeSha256": of.code.sha256, "CodeSize": of.code.size},
        "LayerArn": of.ref.key.arn,
        **item(of),
    }
