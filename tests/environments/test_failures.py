import json

import pytest

from bulb.environments import failures


def test_a_timeout_says_its_seconds_with_two_decimals() -> None:
    reply = failures.timed_out("ID", 3)
    assert json.loads(reply.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: ID Error: Task timed out after 3.00 seconds",
    }
    assert (reply.status, reply.failed) == ("timeout", True)


@pytest.mark.parametrize(
    ("status", "signal", "how"),
    [
        (0, None, "Runtime exited without providing a reason"),
        (None, None, "Runtime exited without providing a reason"),
        (127, None, "Runtime exited with error: exit status 127"),
        (None, 9, "Runtime exited with error: signal: killed"),
        (None, 11, "Runtime exited with error: signal: segmentation fault"),
        (None, 64, "Runtime exited with error: signal: signal 64"),
    ],
)
def test_an_exit_is_told_as_lambda_tells_it(status: int | None, signal: int | None, how: str) -> None:
    document = json.loads(failures.exited("ID", status, signal).payload)
    assert document == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: ID Error: {how}"}
