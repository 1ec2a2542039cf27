import json

from tests.services.events.room import ACCOUNT, OTHER, Room, refusal


def test_a_custom_bus_is_made_described_and_deleted(room: Room) -> None:
    name = room.name("bus")
    made = room.events.create_event_bus(Name=name, Description="of orders", Tags=[{"Key": "a", "Value": "b"}])
    assert made["EventBusArn"] == room.bus_arn(name)
    told = room.events.describe_event_bus(Name=name)
    assert (told["Name"], told["Arn"], told["Description"]) == (name, room.bus_arn(name), "of orders")
    assert told["CreationTime"] == told["LastModifiedTime"]
    assert room.events.describe_event_bus(Name=room.bus_arn(name))["Name"] == name
    assert room.events.list_tags_for_resource(ResourceARN=room.bus_arn(name))["Tags"] == [{"Key": "a", "Value": "b"}]
    changed = room.events.update_event_bus(Name=name, Description="of returns")
    assert changed["Description"] == "of returns"
    assert room.events.describe_event_bus(Name=name)["Description"] == "of returns"
    room.events.delete_event_bus(Name=name)
    assert refusal("ResourceNotFoundException", room.events.describe_event_bus, Name=name) == (
        f"Event bus {name} does not exist."
    )
    room.events.delete_event_bus(Name=name)


def test_the_default_bus_is_there_in_every_account_and_region(room: Room) -> None:
    for account, region in ((ACCOUNT, "us-east-1"), (OTHER, "eu-west-1")):
        events = room.bulb.client("events", access_key=account, region=region)
        told = events.describe_event_bus()
        assert told["Arn"] == f"arn:aws:events:{region}:{account}:event-bus/default"
        assert [bus["Name"] for bus in events.list_event_buses(NamePrefix="default")["EventBuses"]] == ["default"]
    message = refusal("ValidationException", room.events.delete_event_bus, Name="default")
    assert message == "Cannot delete event bus default."
    message = refusal("ResourceAlreadyExistsException", room.events.create_event_bus, Name="default")
    assert message == "Event bus default already exists."


def test_buses_are_listed_in_pages(room: Room) -> None:
    prefix = room.name("paged")
    for number in range(5):
        room.events.create_event_bus(Name=f"{prefix}-{number}")
    first = room.events.list_event_buses(NamePrefix=prefix, Limit=3)
    assert [bus["Name"][-1] for bus in first["EventBuses"]] == ["0", "1", "2"]
    rest = room.events.list_event_buses(NamePrefix=prefix, Limit=3, NextToken=first["NextToken"])
    assert [bus["Name"][-1] for bus in rest["EventBuses"]] == ["3", "4"]
    assert "NextToken" not in rest
    refusal("ValidationException", room.events.list_event_buses, NextToken="%%")


def test_what_a_bus_cannot_have_is_refused(room: Room) -> None:
    create = room.events.create_event_bus
    name = room.bus()
    assert refusal("ResourceAlreadyExistsException", create, Name=name) == f"Event bus {name} already exists."
    assert refusal("ValidationException", create, Name="a/b") == "Event bus name must not contain '/'."
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    for settings in (
        {"KmsKeyIdentifier": "alias/key"},
        {"DeadLetterConfig": {"Arn": queue}},
        {"LogConfig": {"Level": "INFO"}},
        {"EventSourceName": "aws.partner/a/b"},
    ):
        named = next(iter(settings))
        assert named in refusal("NotImplementedException", create, Name=room.name(), **settings)
        if named != "EventSourceName":
            assert named in refusal("NotImplementedException", room.events.update_event_bus, Name=name, **settings)
    off = create(Name=room.name(), LogConfig={"Level": "OFF"})
    assert off["LogConfig"] == {"Level": "OFF"}
    room.events.put_rule(Name="r", EventBusName=name, EventPattern='{"source":["a"]}')
    message = refusal("ValidationException", room.events.delete_event_bus, Name=name)
    assert message == "Event bus can't be deleted since it has rules."


def test_permissions_are_statements_of_a_policy(room: Room) -> None:
    name = room.bus()
    grant = {"EventBusName": name, "Action": "events:PutEvents"}
    room.events.put_permission(**grant, Principal=OTHER, StatementId="one")
    organization = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"}
    room.events.put_permission(**grant, Principal="*", StatementId="all", Condition=organization)
    room.events.put_permission(**grant, Principal="222233334444", StatementId="one")
    policy = json.loads(room.events.describe_event_bus(Name=name)["Policy"])
    assert policy == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "all",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "events:PutEvents",
                "Resource": room.bus_arn(name),
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
            },
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::222233334444:root"},
                "Action": "events:PutEvents",
                "Resource": room.bus_arn(name),
            },
        ],
    }
    remove = room.events.remove_permission
    message = refusal("ResourceNotFoundException", remove, EventBusName=name, StatementId="two")
    assert message == "Statement with the provided id does not exist."
    remove(EventBusName=name, StatementId="one")
    assert [one["Sid"] for one in json.loads(room.events.describe_event_bus(Name=name)["Policy"])["Statement"]] == [
        "all"
    ]
    remove(EventBusName=name, RemoveAllPermissions=True)
    assert "Policy" not in room.events.describe_event_bus(Name=name)
    assert refusal("ResourceNotFoundException", remove, EventBusName=name, StatementId="one") == message
    statement = {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": room.bus_arn(name)}
    whole = json.dumps({"Version": "2012-10-17", "Statement": statement})
    room.events.put_permission(EventBusName=name, Policy=whole)
    assert room.events.describe_event_bus(Name=name)["Policy"] == whole
    refusal("ValidationException", room.events.put_permission, EventBusName=name, Policy="{}")
    refusal("ValidationException", room.events.put_permission, EventBusName=name, StatementId="x")
    refusal(
        "ResourceNotFoundException",
        room.events.put_permission,
        **{**grant, "EventBusName": "no"},
        Principal="*",
        StatementId="a",
    )


def test_tags_are_added_and_removed(room: Room) -> None:
    name = room.bus()
    _, rule_arn = room.rule(name)
    for arn in (room.bus_arn(name), rule_arn):
        room.events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        room.events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "3"}])
        room.events.untag_resource(ResourceARN=arn, TagKeys=["b", "c"])
        assert room.events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
        refusal("ValidationException", room.events.tag_resource, ResourceARN=arn, Tags=[{"Key": "aws:x", "Value": "1"}])
    refusal("ResourceNotFoundException", room.events.list_tags_for_resource, ResourceARN=room.bus_arn("nobodys"))
    refusal("ResourceNotFoundException", room.events.list_tags_for_resource, ResourceARN=room.bus_arn(name, OTHER))
