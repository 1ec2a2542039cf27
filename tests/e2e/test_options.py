"""Options of a function that are acted upon, or refused when it is invoked."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.bulb import Running
from tests.support.functions import create, invoke

TRACE = "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']"


def refusal(aws: Any, name: str, **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as raised:
        aws.invoke(FunctionName=name, **params)
    response: Any = raised.value.response
    return (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )


def updated(aws: Any, name: str, **params: Any) -> None:
    aws.update_function_configuration(FunctionName=name, **params)
    aws.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})


def test_active_tracing_decides_for_requests_that_came_without(bulb: Running) -> None:
    aws = bulb.client("lambda")
    create(aws, "traced", TRACE, TracingConfig={"Mode": "Active"})
    assert aws.get_function_configuration(FunctionName="traced")["TracingConfig"] == {"Mode": "Active"}
    bulb.clock.advance(1.1)
    seen, response = invoke(aws, "traced", LogType="Tail")
    assert "Sampled=1" in seen
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"] in seen
    updated(aws, "traced", TracingConfig={"Mode": "PassThrough"})
    bulb.clock.advance(1.1)
    assert "Sampled=0" in invoke(aws, "traced")[0]


def test_a_vpc_is_shown_and_refused_when_invoked(bulb: Running) -> None:
    aws = bulb.client("lambda")
    network = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    create(aws, "in-vpc", TRACE, VpcConfig=network)
    shown = aws.get_function_configuration(FunctionName="in-vpc")["VpcConfig"]
    assert shown == {**network, "Ipv6AllowedForDualStack": False}
    for kind in ("RequestResponse", "Event"):
        assert refusal(aws, "in-vpc", InvocationType=kind) == (
            "EC2UnexpectedException",
            "Bulb has no VPCs to run the function in. Remove its VpcConfig to invoke it.",
            502,
        )
    version = aws.publish_version(FunctionName="in-vpc")
    assert version["VpcConfig"] == shown
    updated(aws, "in-vpc", VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
    assert "VpcConfig" not in aws.get_function_configuration(FunctionName="in-vpc")
    assert "Root=" in invoke(aws, "in-vpc")[0]
    assert refusal(aws, "in-vpc", Qualifier=version["Version"])[0] == "EC2UnexpectedException"


def test_a_file_system_is_shown_and_refused_when_invoked(bulb: Running) -> None:
    aws = bulb.client("lambda")
    arn = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-00000000000000000"
    mounts = [{"Arn": arn, "LocalMountPath": "/mnt/x"}]
    create(aws, "mounts", TRACE, FileSystemConfigs=mounts)
    assert aws.get_function_configuration(FunctionName="mounts")["FileSystemConfigs"] == mounts
    assert refusal(aws, "mounts") == (
        "EFSMountFailureException",
        f"Bulb cannot mount {arn} at /mnt/x. Remove the function's FileSystemConfigs to invoke it.",
        403,
    )
    updated(aws, "mounts", FileSystemConfigs=[])
    assert "Root=" in invoke(aws, "mounts")[0]


def test_ephemeral_storage_is_as_large_as_asked_for(bulb: Running) -> None:
    if bulb.isolation == "plain":
        pytest.skip("on the plain rung /tmp is the machine's")
    aws = bulb.client("lambda")
    source = "import os\ndef handler(event, context):\n    s = os.statvfs('/tmp')\n    return s.f_blocks * s.f_frsize"
    create(aws, "roomy", source, EphemeralStorage={"Size": 600})
    assert invoke(aws, "roomy")[0] == 600 * 1_048_576
    updated(aws, "roomy", EphemeralStorage={"Size": 10_240})
    assert invoke(aws, "roomy")[0] == 10_240 * 1_048_576
