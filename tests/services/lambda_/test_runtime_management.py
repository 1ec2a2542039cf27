"""Runtime management: the build that is here can be pinned, and no other one."""

from tests.services.lambda_.room import ARN, Room, zipped
from tests.services.lambda_.test_refusals import refused

INVALID = "InvalidParameterValueException"


def test_modes(room: Room) -> None:
    aws = room.client()
    room.create()
    here = aws.get_function_configuration(FunctionName="f")["RuntimeVersionConfig"]["RuntimeVersionArn"]
    shown = aws.get_runtime_management_config(FunctionName="f")
    assert (shown["UpdateRuntimeOn"], shown["FunctionArn"]) == ("Auto", f"{ARN}:f:$LATEST")
    assert "RuntimeVersionArn" not in shown
    aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="FunctionUpdate")
    assert aws.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "FunctionUpdate"
    pinned = aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="Manual", RuntimeVersionArn=here)
    assert pinned["RuntimeVersionArn"] == here
    version = aws.publish_version(FunctionName="f")["Version"]
    aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="Auto")
    assert "RuntimeVersionArn" not in aws.get_runtime_management_config(FunctionName="f")
    assert aws.get_runtime_management_config(FunctionName="f", Qualifier=version)["UpdateRuntimeOn"] == "Manual"
    assert aws.publish_version(FunctionName="f")["Version"] == version  # it is no part of what is published


def test_another_build_is_refused(room: Room) -> None:
    aws = room.client()
    room.create()
    put = aws.put_runtime_management_config
    other = f"arn:aws:lambda:us-east-1::runtime:{'0' * 64}"
    here = aws.get_function_configuration(FunctionName="f")["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert refused(put, FunctionName="f", UpdateRuntimeOn="Manual", RuntimeVersionArn=other) == (
        INVALID,
        f"The runtime version {other} is not available for python3.12. The one that is here is {here}.",
        400,
    )
    assert refused(put, FunctionName="f", UpdateRuntimeOn="Manual")[0] == INVALID
    assert refused(put, FunctionName="f", UpdateRuntimeOn="Auto", RuntimeVersionArn=here)[0] == INVALID
    assert aws.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "Auto"
    missing = ("ResourceNotFoundException", f"Function not found: {ARN}:f:7", 404)
    assert refused(aws.get_runtime_management_config, FunctionName="f", Qualifier="7") == missing


def test_a_pin_to_a_build_that_is_gone_is_said_when_invoked(room: Room) -> None:
    aws = room.client()
    room.create()
    here = aws.get_function_configuration(FunctionName="f")["RuntimeVersionConfig"]["RuntimeVersionArn"]
    aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="Manual", RuntimeVersionArn=here)
    aws.invoke(FunctionName="f")
    aws.update_function_configuration(FunctionName="f", Runtime="python3.13")
    room.settle("f")
    assert refused(aws.invoke, FunctionName="f") == (
        "InvalidRuntimeException",
        f"The function is pinned to the runtime version {here}, which is not the one of python3.13 that is here. "
        "Change it with PutRuntimeManagementConfig.",
        502,
    )
    aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="Auto")
    assert aws.invoke(FunctionName="f")["StatusCode"] == 200
    aws.update_function_code(FunctionName="f", ZipFile=zipped({"app.py": "x = 1"}))
    assert aws.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "Auto"
