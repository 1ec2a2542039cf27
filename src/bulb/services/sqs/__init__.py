"""Amazon SQS: queues and their messages. See DESIGN.md.

`SqsApi` answers the operations, `SqsStore` keeps what they promise, `Reader` is how functions read from queues, and
`Arrivals` takes what other services deliver.
"""

from bulb.services.sqs.api import SqsApi
from bulb.services.sqs.arrivals import Arrivals
from bulb.services.sqs.guards import Guards
from bulb.services.sqs.keeping import Keeper
from bulb.services.sqs.move_work import MoveWork
from bulb.services.sqs.needs import needs
from bulb.services.sqs.reader import Reader
from bulb.services.sqs.store import SqsStore
from bulb.services.sqs.waiting import Waiting

__all__ = ["Arrivals", "Guards", "Keeper", "MoveWork", "Reader", "SqsApi", "SqsStore", "Waiting", "needs"]
