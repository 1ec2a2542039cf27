"""Code signing configurations: what they say, and what that means for code that comes in. Pure.

Signatures are made and checked with AWS Signer, which is not here: no package and no layer ever counts as signed. So a
policy of `Enforce` refuses every deployment and `Warn` lets every one pass, with a line in the server's log.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bulb.core.arn import arn
from bulb.core.clock import lambda_timestamp
from bulb.core.errors import AwsError
from bulb.core.ids import hex_id
from bulb.services.lambda_ import errors
from bulb.services.lambda_.model import FunctionKey

SigningPolicy = Literal["Warn", "Enforce"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CodeSigningConfig:
    """One configuration. `publishers` are the ARNs of signing profile versions whose signatures count."""

    account: str
    region: str
    id: str
    publishers: tuple[str, ...]
    policy: SigningPolicy
    last_modified: float
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("lambda", self.region, self.account, f"code-signing-config:{self.id}")


def new_id() -> str:
    """`csc-` and 17 hex digits."""
    return f"csc-{hex_id(17)}"


def shown(config: CodeSigningConfig) -> dict[str, Any]:
    """The configuration as every operation answers it."""
    return {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": lambda_timestamp(config.last_modified),
    }


def not_found() -> AwsError:
    """The refusal of the operations on a configuration."""
    return errors.not_found("The Lambda code signing configuration ARN can not be found.")


def cannot_attach(config_arn: str) -> AwsError:
    """The refusal of the operations on a function."""
    return AwsError(
        "CodeSigningConfigNotFoundException",
        "The code signing configuration cannot be found. "
        f"Check that the provided configuration is not deleted: {config_arn}.",
        status=404,
    )


def check_deployable(config: CodeSigningConfig | None, key: FunctionKey) -> None:
    """May code, which is never signed here, be deployed? Raises CodeVerificationFailedException."""
    if config is None:
        return
    if config.policy == "Enforce":
        raise AwsError(
            "CodeVerificationFailedException",
            "Lambda cannot deploy the function: its code is not signed by an allowed publisher of "
            f"{config.arn}. Bulb cannot verify signatures, so no code is; set UntrustedArtifactOnDeployment to Warn "
            "to deploy unsigned code.",
        )
    _log.warning("%s was deployed unsigned; %s only warns", key.arn, config.arn)
