from pathlib import Path

import pytest

from bulb.config import Config, chosen_region, chosen_url, load, url_of
from bulb.core.errors import BulbError


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_default() -> None:
    assert load({}, {}).port == 4566
    assert load({}, {"BULB_PORT": "1"}).port == 1
    assert load({"port": 2}, {"BULB_PORT": "1"}).port == 2
    assert load({"port": None}, {"BULB_PORT": "1"}).port == 1


def test_a_misspelt_setting_is_refused_rather_than_silently_off() -> None:
    with pytest.raises(BulbError, match="BULB_PROT is not a setting"):
        load({}, {"BULB_PROT": "1"})


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("BULB_PORT", "many", "BULB_PORT cannot be 'many'"),
        ("BULB_PORT", "-1", "BULB_PORT cannot be '-1'"),
        ("BULB_PORT", "65536", "BULB_PORT cannot be '65536'"),
        ("BULB_IDLE", "nan", "BULB_IDLE cannot be 'nan'"),
        ("BULB_EGRESS", "all", "nat or none"),
        ("BULB_ISOLATION", "strong", "best or full or userns or plain"),
        ("BULB_CREDENTIALS", "some", "auto or any or required"),
        ("BULB_ACCESS_LOG", "maybe", "BULB_ACCESS_LOG"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, text: str, says: str) -> None:
    with pytest.raises(BulbError, match=says):
        load({}, {variable: text})


def test_policies_cannot_be_enforced_on_callers_nobody_has_checked() -> None:
    with pytest.raises(BulbError, match="--policies enforced needs --credentials required"):
        load({"policies": "enforced"}, {})
    assert load({"policies": "enforced", "credentials": "required"}, {}).policies == "enforced"
    assert load({"policies": "enforced", "host": "0.0.0.0"}, {}).enforce_credentials


def test_interpreters_are_named_by_runtime() -> None:
    chosen = load({}, {"BULB_INTERPRETER_PYTHON3_12": "/opt/py", "BULB_INTERPRETER_NODEJS22_X": "/opt/node"})
    assert chosen.interpreters == {"python3.12": "/opt/py", "nodejs22.x": "/opt/node"}


def test_credentials_are_enforced_as_soon_as_others_can_reach_the_server() -> None:
    assert not Config(host="127.0.0.1").enforce_credentials
    assert not Config(host="::1").enforce_credentials
    assert not Config(host="localhost").enforce_credentials
    assert Config(host="0.0.0.0").enforce_credentials
    assert Config(host="bulb.example").enforce_credentials


def test_credentials_can_be_required_on_loopback_and_waived_elsewhere() -> None:
    assert load({"credentials": "required"}, {}).enforce_credentials
    assert load({}, {"BULB_CREDENTIALS": "required"}).enforce_credentials
    assert not load({"credentials": "any", "host": "0.0.0.0"}, {}).enforce_credentials
    assert load({"credentials": "auto", "host": "0.0.0.0"}, {}).enforce_credentials


def test_the_data_folder_is_absolute() -> None:
    assert load({"data": Path("some/where")}, {}).data.is_absolute()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.2", "http://127.0.0.2:80"),
        ("localhost", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("bulb.example", "http://bulb.example:80"),
    ],
)
def test_a_server_is_called_where_it_can_be(host: str, url: str) -> None:
    assert url_of(host, 80) == url
    assert chosen_url({"BULB_HOST": host, "BULB_PORT": "80"}) == url


def test_clients_look_where_the_settings_of_the_server_put_it() -> None:
    assert chosen_url({}) == "http://127.0.0.1:4566"
    assert (chosen_region({}), chosen_region({"BULB_REGION": "eu-west-1"})) == ("us-east-1", "eu-west-1")
    for text, says in (("many", "BULB_PORT cannot be 'many'"), ("0", "BULB_PORT is 0, a free port: .*--endpoint")):
        with pytest.raises(BulbError, match=says):
            chosen_url({"BULB_PORT": text})
