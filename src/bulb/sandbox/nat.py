"""Networks whose functions reach the outside world through NAT, as on Lambda without a VPC.

Whether they do is decided once, when the server starts, and never in silence: where it cannot be had, functions get
loopback only and the report says why. See `router.py` for how, DESIGN.md for what is promised.
"""

import asyncio
from typing import Literal

from bulb.sandbox.network import LoopbackNetworks, Network, NetworkProvider
from bulb.sandbox.router import Router

Egress = Literal["nat", "none"]


async def open_networks(egress: Egress) -> NetworkProvider:
    """The networks for sandboxes of the full rung. Never fails: what cannot be had is in `egress_reason`."""
    if egress == "none":
        return LoopbackNetworks(egress_reason="turned off")
    try:
        router = await asyncio.to_thread(Router.open)
    except OSError as error:
        return LoopbackNetworks(egress_reason=f"this machine does not give it: {error}")
    return NatNetworks(router)


class NatNetworks:
    """Networks with a way out by `router`, which is theirs to close. The pool is that of any other networks."""

    egress = True

    def __init__(self, router: Router) -> None:
        """Connect every network to `router`."""
        self._router = router
        self._networks = LoopbackNetworks(prepare=router.connect)
        self.name_servers = tuple(str(address) for address in router.name_servers)
        self.egress_reason = reason_of(router)

    async def take(self) -> Network:
        """A network nobody else uses. At once while the pool lasts."""
        return await self._networks.take()

    def released(self, network: Network) -> None:
        """Nothing to take back: link, address and route go with the namespace."""
        self._networks.released(network)

    async def close(self) -> None:
        """Let go of every network that was not taken, and of the way out of all."""
        await self._networks.close()
        await asyncio.to_thread(self._router.close)


def reason_of(router: Router) -> str:
    """What an operator should know about egress that is on."""
    parts = [f"by the link {router.name}"]
    if router.name_servers:
        parts.append(f"names from {', '.join(map(str, router.name_servers))}")
    else:
        parts.append("names cannot be resolved, as this machine's name server listens on the machine itself")
    if router.switched_on:
        parts.append(f"forwarding switched on for {', '.join(router.switched_on)} while running")
    if router.closed_forwarders:
        chains = ", ".join(f"{chain.table} {chain.name}" for chain in router.closed_forwarders)
        parts.append(f"unless the firewall's {chains} drops it: allow what comes and goes by bulb-*")
    return "; ".join(parts)
