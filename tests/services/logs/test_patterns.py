"""Filter patterns, form by form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulb.core.errors import AwsError
from bulb.services.logs.patterns import compile_pattern

JSON = '{"level":"ERROR","code":404,"ok":false,"none":null,"user":{"id":"u-1"},"items":[{"p":5},{"p":7}],"k":"a b"}'
ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR] x", True),
        ("ERROR", "error", False),
        ("ERROR timeout", "timeout ERROR", True),
        ("ERROR timeout", "ERROR", False),
        ("?ERROR ?WARN", "WARN", True),
        ("?ERROR ?WARN", "INFO", False),
        ("ERROR -timeout", "ERROR", True),
        ("ERROR -timeout", "ERROR timeout", False),
        ("-timeout", "fine", True),
        ('"out of memory"', "it is out of memory!", True),
        ('"out of memory"', "out memory of", False),
        ('-"out of memory" ERROR', "ERROR out of memory", False),
        ("%4[0-9]{2}%", "status 404", True),
        ("%4[0-9]{2}%", "status 204", False),
        ("REPORT", "REPORT RequestId: 1\tDuration: 1 ms\t\n", True),
        ('{ $.level = "ERROR" }', JSON, True),
        ("{ $.level = ERR* }", JSON, True),
        ('{ $.level != "ERROR" }', JSON, False),
        ("{ $.missing != 1 }", JSON, False),
        ("{ $.code = 404 }", JSON, True),
        ("{ $.code >= 400 && $.code < 500 }", JSON, True),
        ('{ ($.code = 1 || $.code = 404) && $.user.id = "u-*" }', JSON, True),
        ("{ $.ok IS FALSE }", JSON, True),
        ("{ $.ok IS TRUE }", JSON, False),
        ("{ $.none IS NULL }", JSON, True),
        ("{ $.missing IS NULL }", JSON, False),
        ("{ $.user EXISTS }", JSON, True),
        ("{ $.missing NOT EXISTS }", JSON, True),
        ("{ $.items[1].p = 7 }", JSON, True),
        ("{ $.items[*].p = 5 }", JSON, True),
        ("{ $.items[9].p = 5 }", JSON, False),
        ('{ $.k = "a b" }', JSON, True),
        ("{ $.user.id = %^u-[0-9]$% }", JSON, True),
        ("{ $.level = ERROR }", "not json", False),
        ("[ip, id, user, time, request, status = 404, size]", ACCESS, True),
        ("[ip, id, user, time, request, status = 4*, size > 1000]", ACCESS, True),
        ("[ip, id, user, time, request, status = 5*, size]", ACCESS, False),
        ("[ip, ..., status = 404 || status = 410, size]", ACCESS, True),
        ("[..., size < 1000]", ACCESS, False),
        ("[ip, user]", ACCESS, False),
        ('[ip, id, user, time, request = "GET /index*", ...]', ACCESS, True),
        ("[w1 = ERROR, w2]", "ERROR x", True),
        ("[w1 = ERROR && w1 != INFO, w2]", "ERROR x", True),
    ],
)
def test_pattern(pattern: str, message: str, expected: bool) -> None:
    assert compile_pattern(pattern)(message) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.a = }",
        "{ $.a }",
        "{ $.a = 1",
        "{ a = 1 }",
        "[a",
        '"open',
        "%(a+)+%",
        "%a% %b% %c%",
        "{ $.a < x }",
        "{}",
        "%[%",
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(AwsError, match="InvalidParameterException"):
        compile_pattern(pattern)


@given(st.text(alphabet='{}[]()$.=<>!&|?-%"* \\a1,', max_size=40), st.text(max_size=20))
def test_any_text_is_a_pattern_or_refused(pattern: str, message: str) -> None:
    try:
        matcher = compile_pattern(pattern)
    except AwsError:
        return
    assert matcher(message) in {True, False}
