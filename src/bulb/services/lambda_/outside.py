"""Options that need something outside the machine: networks and file systems. They are kept and shown, so that stacks
that say them can be deployed; a function that has one is refused when it is invoked, because Bulb cannot give it what
it counts on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bulb.core.errors import AwsError


@dataclass(frozen=True, slots=True)
class Vpc:
    """`VpcConfig` with at least one subnet or security group."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One of `FileSystemConfigs`: the ARN of the access point and where it would be mounted."""

    arn: str
    path: str


def vpc(config: Mapping[str, Any] | None) -> Vpc | None:
    """The network a VpcConfig asks for; None when it names nothing."""
    if not config or not (config.get("SubnetIds") or config.get("SecurityGroupIds")):
        return None
    groups, subnets = config.get("SecurityGroupIds") or (), config.get("SubnetIds") or ()
    return Vpc(tuple(subnets), tuple(groups), bool(config.get("Ipv6AllowedForDualStack")))


def file_systems(configs: Sequence[Mapping[str, Any]] | None) -> tuple[FileSystem, ...]:
    """The file systems of a FileSystemConfigs."""
    return tuple(FileSystem(config["Arn"], config["LocalMountPath"]) for config in configs or ())


def shown(network: Vpc | None, mounts: Sequence[FileSystem]) -> dict[str, Any]:
    """The members of a configuration that show them; none where nothing was asked for."""
    members: dict[str, Any] = {}
    if network is not None:
        members["VpcConfig"] = {
            "SubnetIds": list(network.subnets),
            "SecurityGroupIds": list(network.security_groups),
            "Ipv6AllowedForDualStack": network.ipv6,
        }
    if mounts:
        members["FileSystemConfigs"] = [{"Arn": mount.arn, "LocalMountPath": mount.path} for mount in mounts]
    return members


def check_runnable(network: Vpc | None, mounts: Sequence[FileSystem]) -> None:
    """Raises EC2UnexpectedException for a function in a VPC, EFSMountFailureException for one with a file system."""
    if network is not None:
        raise AwsError(
            "EC2UnexpectedException",
            "Bulb has no VPCs to run the function in. Remove its VpcConfig to invoke it.",
            status=502,
            members={"EC2ErrorCode": "UnsupportedOperation"},
        )
    if mounts:
        raise AwsError(
            "EFSMountFailureException",
            f"Bulb cannot mount {mounts[0].arn} at {mounts[0].path}. Remove the function's FileSystemConfigs to "
            "invoke it.",
            status=403,
        )
