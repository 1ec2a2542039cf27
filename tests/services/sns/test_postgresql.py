"""The statements that could differ between the engines, once over PostgreSQL."""

import json
from pathlib import Path

from tests.services.sns.room import Endpoint, Queue, check_signature, confirmed, invalid, refused, subscribe, topic
from tests.support.bulb import running_bulb


def test_the_room_over_postgresql(tmp_path: Path, postgresql_location: str, there: Endpoint) -> None:
    with running_bulb(tmp_path / "data", database=postgresql_location, stock=0, egress="none") as bulb:
        sns, arn, queue = bulb.client("sns"), topic(bulb, "t", SignatureVersion="2"), Queue(bulb, "q")
        subscription = subscribe(bulb, arn, queue, FilterPolicy=json.dumps({"k": [{"prefix": "v"}]}))
        confirmed(bulb, arn, there)
        kept = {"k": {"DataType": "String", "StringValue": "value"}}
        sns.publish(TopicArn=arn, Message="a\0b", MessageAttributes=kept)
        sns.publish(TopicArn=arn, Message="for the endpoint alone")
        (document,) = queue.documents(1)
        check_signature(document)
        assert document["Message"] == "a\0b" and len(there.got(2)) == 2
        found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        assert (found["SubscriptionsConfirmed"], found["SignatureVersion"]) == ("2", "2")
        sns.unsubscribe(SubscriptionArn=subscription)
        assert len(sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]) == 1

        ordered, fifo = topic(bulb, "t.fifo", FifoTopic="true", ContentBasedDeduplication="true"), Queue(bulb, "q.fifo")
        subscribe(bulb, ordered, fifo, RawMessageDelivery="true")
        entries = [{"Id": str(n), "Message": str(n % 5), "MessageGroupId": "g"} for n in range(10)]
        answers = sns.publish_batch(TopicArn=ordered, PublishBatchRequestEntries=entries)["Successful"]
        assert len({one["SequenceNumber"] for one in answers}) == 5
        assert [one["Body"] for one in fifo.received(5)] == ["0", "1", "2", "3", "4"]
        assert [one["TopicArn"] for one in sns.list_topics()["Topics"]] == [arn, ordered]
        sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "ü", "Value": "\u2028"}])
        assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "ü", "Value": "\u2028"}]
        assert refused(sns.confirm_subscription, TopicArn=arn, Token="0" * 99) == invalid("Token")
        archive = {"TopicArn": ordered, "AttributeName": "ArchivePolicy"}
        sns.set_topic_attributes(**archive, AttributeValue='{"MessageRetentionPeriod": 1}')
        sns.publish(TopicArn=ordered, Message="kept\0", MessageGroupId="g")
        begins = sns.get_topic_attributes(TopicArn=ordered)["Attributes"]["BeginningArchiveTime"]
        again, late = json.dumps({"PointType": "Timestamp", "StartingPoint": begins}), Queue(bulb, "late.fifo")
        subscribe(bulb, ordered, late, ReplayPolicy=again)
        assert [one["Message"] for one in late.documents(1)] == ["kept\0"]
        sns.set_topic_attributes(**archive, AttributeValue="{}")
        sns.delete_topic(TopicArn=ordered)
        assert len(sns.list_topics()["Topics"]) == 1
