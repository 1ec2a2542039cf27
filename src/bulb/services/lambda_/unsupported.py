"""Options AWS has and nobody here acts on: refused by name, never stored in silence. (Those of `outside.py` are
refused when the function is invoked.)

A value that means "not used" (no subnets, an empty ARN, `ApplyOn: None`) is what Bulb does anyway, so it passes: tools
such as SAM and Terraform send those.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bulb.core.errors import NotSupported

Refusal = Callable[[Any], str | None]


def _always(name: str) -> Refusal:
    return lambda value: name


def _when_set(name: str) -> Refusal:
    return lambda value: name if value else None


def _when_any_member(name: str) -> Refusal:
    return lambda value: name if any(value.values()) else None


def _when(name: str, member: str, unsupported: str) -> Refusal:
    return lambda value: f"{name} {unsupported}" if value.get(member) == unsupported else None


_CONFIGURATION: Mapping[str, Refusal] = {
    "KMSKeyArn": _when_set("KMSKeyArn"),
    "FileSystemConfigs": lambda configs: (
        "FileSystemConfigs S3FilesConfig" if any("S3FilesConfig" in config for config in configs) else None
    ),
    "ImageConfig": _when_any_member("ImageConfig"),
    "CapacityProviderConfig": _always("CapacityProviderConfig"),
    "DurableConfig": _always("DurableConfig"),
    "RuntimeConfig": _always("RuntimeConfig"),
    "AcceleratorConfig": _always("AcceleratorConfig"),
    "TenancyConfig": _always("TenancyConfig"),
    "PublishTo": _always("PublishTo"),
}

_CODE: Mapping[str, Refusal] = {
    "SourceKMSKeyArn": _when_set("SourceKMSKeyArn"),
    "PublishTo": _always("PublishTo"),
}


def check_configuration(params: Mapping[str, Any]) -> None:
    """Refuse what CreateFunction and UpdateFunctionConfiguration ask for and Bulb does not do. Raises NotSupported."""
    if params.get("PackageType") == "Image" or params.get("Code", {}).get("ImageUri"):
        raise NotSupported("functions made from container images")
    _check(_CONFIGURATION, params)
    _check(_CODE, params.get("Code", {}))


def check_code(params: Mapping[str, Any]) -> None:
    """Refuse what UpdateFunctionCode asks for and Bulb does not do. Raises NotSupported."""
    _check(_CODE, params)


def check_publish(params: Mapping[str, Any]) -> None:
    """Refuse what PublishVersion asks for and Bulb does not do. Raises NotSupported."""
    _check({"PublishTo": _CODE["PublishTo"]}, params)


def _check(refusals: Mapping[str, Refusal], params: Mapping[str, Any]) -> None:
    for name, refusal in refusals.items():
        value = params.get(name)
        if value is not None and (what := refusal(value)):
            raise NotSupported(what)
