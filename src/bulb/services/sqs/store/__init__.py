"""What SQS keeps: the only files of this room that touch the database.

SQL is the truth. Only the definitions of queues are kept in memory too, for every call names one.
"""

from dataclasses import dataclass

from bulb.core.facts import Facts
from bulb.services.sqs.store.looking import Looking
from bulb.services.sqs.store.numbers import Numbers
from bulb.services.sqs.store.queues import QueueStore
from bulb.services.sqs.store.receiving import Receiving
from bulb.services.sqs.store.righting import Righting
from bulb.services.sqs.store.sending import Sending
from bulb.services.sqs.store.settling import Settling
from bulb.services.sqs.store.sweeping import Sweeping
from bulb.services.sqs.store.tasks import Tasks
from bulb.storage.database import Database


@dataclass(frozen=True, slots=True)
class SqsStore:
    """The stores of one database."""

    database: Database
    queues: QueueStore
    sending: Sending
    receiving: Receiving
    settling: Settling
    looking: Looking
    sweeping: Sweeping
    righting: Righting
    tasks: Tasks

    @classmethod
    async def open(cls, database: Database, facts: Facts | None = None) -> "SqsStore":
        """The stores over `database`, with all queues known. `facts` are told of messages that become dead letters."""
        numbers, queues = Numbers(database.generation), QueueStore(database)
        await queues.load()
        receiving = Receiving(database, queues, numbers, facts or Facts())
        return cls(
            database=database,
            queues=queues,
            sending=Sending(database, numbers),
            receiving=receiving,
            settling=Settling(database),
            looking=Looking(database),
            sweeping=Sweeping(database, queues, numbers),
            righting=Righting(database, queues),
            tasks=Tasks(database, queues, receiving, numbers),
        )
