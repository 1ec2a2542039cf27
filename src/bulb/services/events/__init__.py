"""Amazon EventBridge: buses, rules and what they send where. See DESIGN.md.

`EventsApi` answers the operations, `EventsStore` keeps what they promise, `Putting` puts events on buses and `Arrivals`
those of other rooms; `Ticks`, `Replaying` and `Posting` work by themselves. `Redelivering` is for dead letters.
"""

from bulb.services.events.api import EventsApi
from bulb.services.events.arrivals import Arrivals
from bulb.services.events.guards import Guards
from bulb.services.events.needs import needs
from bulb.services.events.posting import Posting, refuse
from bulb.services.events.putting import Putting
from bulb.services.events.redelivering import Redelivering
from bulb.services.events.replaying import Replaying
from bulb.services.events.requests import COURIER, REFUSING
from bulb.services.events.retries import after_refusal
from bulb.services.events.store import EventsStore
from bulb.services.events.ticks import OWNER, Ticks, set_clock

__all__ = [
    "COURIER",
    "OWNER",
    "REFUSING",
    "Arrivals",
    "EventsApi",
    "EventsStore",
    "Guards",
    "Posting",
    "Putting",
    "Redelivering",
    "Replaying",
    "Ticks",
    "after_refusal",
    "needs",
    "refuse",
    "set_clock",
]
