"""What one service brings into the house, for those who ask every service the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bulb.delivery.model import AfterRefusal, Courier, Destination, PreparedDestination
from bulb.gateway.sites import Site
from bulb.http.message import Handler
from bulb.identity.authorizer import ResourcePolicies
from bulb.identity.needs import Needs


@dataclass(frozen=True, slots=True)
class Part:
    """`name` is that of the service's model and in its ARNs. `api` has a coroutine method an operation.

    `needs` and `guards` say what its calls ask of policies, and have the policies of its resources. `destination` or
    `prepared` takes what is delivered to its ARNs; `couriers` are by name; `after` decides about what it sends itself.
    `routes` and `sites` are further ways into it through the front door.
    """

    name: str
    api: object
    needs: Needs
    guards: ResourcePolicies | None = None
    destination: Destination | None = None
    prepared: PreparedDestination | None = None
    couriers: Mapping[str, Courier] = field(default_factory=dict)
    after: AfterRefusal | None = None
    routes: Mapping[str, Handler] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
