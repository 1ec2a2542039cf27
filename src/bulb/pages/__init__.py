"""The server's own pages, as JSON: what it is and can do, which events came in, what its functions would have cost."""

from collections import Counter
from collections.abc import Mapping
from urllib.parse import parse_qs

from bulb import __version__
from bulb.billing.ledger import Ledger, document
from bulb.config import Config
from bulb.core.clock import Clock
from bulb.core.errors import AwsError
from bulb.environments.pool import EnvironmentPool
from bulb.environments.stock import Stock
from bulb.gateway.bodies import collect
from bulb.http.message import BufferedBody, Handler, Request, Response
from bulb.pages import events, queues, redeliveries
from bulb.pages.answers import page, refusal, refuse_strangers
from bulb.pages.signers import Signers
from bulb.runtimes.interpreters import Interpreter, Interpreters
from bulb.sandbox.model import RungReport
from bulb.services.events import Redelivering
from bulb.services.sqs.store import SqsStore
from bulb.telemetry.journal import Journal

__all__ = ["Pages", "refuse_strangers"]


class Pages:
    """`/_bulb/status`, `/_bulb/events`, `/_bulb/queues` and `/_bulb/bill`, and `/_bulb/redeliveries`, which is told.

    Requests for them carry no signature (but see `signers.py`), and they tell of every account. Where credentials are
    required they answer only to this machine.
    """

    def __init__(
        self,
        config: Config,
        isolation: RungReport,
        interpreters: Interpreters,
        pool: EnvironmentPool,
        stock: Stock,
        capacity: int,
        ledger: Ledger,
        journal: Journal | None,
        sqs: SqsStore,
        redelivering: Redelivering,
        signers: Signers,
        clock: Clock,
    ) -> None:
        self._config = config
        self._isolation = isolation
        self._interpreters = interpreters
        self._pool = pool
        self._stock = stock
        self._capacity = capacity
        self._ledger = ledger
        self._journal = journal
        self._sqs = sqs
        self._redelivering = redelivering
        self._signers = signers
        self._clock = clock

    @property
    def routes(self) -> Mapping[str, Handler]:
        """The handlers by path."""
        return {
            "/_bulb/status": self.status,
            "/_bulb/events": self.events,
            "/_bulb/queues": self.queues,
            "/_bulb/redeliveries": self.redeliveries,
            "/_bulb/bill": self.bill,
        }

    async def status(self, request: Request) -> Response:
        """Rung, interpreters, storage, environments."""
        refuse_strangers(request, self._config.enforce_credentials)
        states = Counter(environment.state.value for environment in self._pool)
        isolation = self._isolation
        return page(
            request,
            {
                "version": __version__,
                "isolation": {
                    "rung": isolation.rung.value,
                    "has": list(isolation.has),
                    "lacks": list(isolation.lacks),
                    "reasons": dict(isolation.reasons),
                    "cgroups": isolation.cgroups,
                    "egress": ("nat: " if isolation.egress else "none: ") + isolation.egress_reason,
                },
                "storage": {
                    "engine": "postgresql" if self._config.database else "sqlite",
                    "durable": True,
                    "location": str(self._config.data),
                },
                "environments": {"states": dict(states), "stock": len(self._stock), "capacity": self._capacity},
                "runtimes": [
                    {
                        "name": found.runtime,
                        "runs": isinstance(found, Interpreter),
                        "detail": f"{found.executable} ({found.version})"
                        if isinstance(found, Interpreter)
                        else str(found),
                    }
                    for found in await self._interpreters.all()
                ],
            },
        )

    async def events(self, request: Request) -> Response:
        """What the journal has, oldest first.

        `since` (Unix seconds) and `limit` ask for the last events that came since; `after` (the `cursor` of an earlier
        answer) for those that changed after it, and `wait` (seconds) waits for one. `source` and `target` are part of a
        name or an ARN, `status` may be given several times.
        """
        refuse_strangers(request, self._config.enforce_credentials)
        if self._journal is None:
            return page(request, {"days": 0, "events": [], "cursor": 0, "more": False, "missing": 0})
        try:
            query, wait_s = events.query(request.query)
        except ValueError as error:
            return refusal(400, str(error))
        found = await self._journal.find(query, wait_s)
        return page(
            request,
            {
                "days": self._journal.days,
                "events": [events.document(row) for row in found.events],
                "cursor": found.cursor,
                "more": found.more,
                "missing": self._journal.dropped,
            },
        )

    async def queues(self, request: Request) -> Response:
        """One queue (`queue`, an ARN): how many messages of which kind, and the oldest `limit` (100) as they lie there.

        Nothing is received: no message is hidden, and no count of receives grows. Where credentials are required the
        request has to be signed, for SQS, by somebody who may receive.
        """
        refuse_strangers(request, self._config.enforce_credentials)
        try:
            arn, limit = queues.query(request.query)
        except ValueError as error:
            return refusal(400, str(error))
        queue = self._sqs.queues.named(arn)
        if queue is None:
            return refusal(404, f"there is no queue {arn}")
        now = self._clock.now()
        if limit:
            try:
                await self._signers.permit_reading(request, queue, now)
            except AwsError as error:
                return refusal(error.status, error.message)
        counts = await self._sqs.looking.counts(queue, now)
        messages = await self._sqs.looking.peek(queue, max(limit, 1), now)
        return page(request, queues.document(queue, counts, messages, limit))

    async def redeliveries(self, request: Request) -> Response:
        """POST an event: a rule (`rule`, an ARN) delivers it to one of its targets (`target`, an id) once more.

        Answered when that is on disk. Where credentials are required the request has to be signed, for EventBridge, by
        somebody who may put targets of the rule.
        """
        refuse_strangers(request, self._config.enforce_credentials)
        if request.method != "POST":
            return Response(405, [("allow", "POST")])
        try:
            rule, target = redeliveries.query(request.query)
        except ValueError as error:
            return refusal(400, str(error))
        now = self._clock.now()
        try:
            event = await collect(request.body, redeliveries.MOST_BYTES)
            request.body = BufferedBody(event)  # the signature covers it
            await self._signers.permit_sending(request, rule, now)
            await self._redelivering.accept(rule, target, event, now)
        except AwsError as error:
            return refusal(error.status, error.message)
        return Response(202)

    async def bill(self, request: Request) -> Response:
        """The statement of one account (`?account=`), or of all."""
        refuse_strangers(request, self._config.enforce_credentials)
        account = parse_qs(request.query).get("account", [None])[0]
        return page(request, document(await self._ledger.statement(account, self._clock.now())))
