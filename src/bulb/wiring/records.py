"""The wings of the services that keep something: buckets, logs, and who may do what."""

from collections.abc import Callable

from bulb.delivery.handing import Handing
from bulb.services import s3
from bulb.services.iam.api import Iam
from bulb.services.iam.needs import IamNeeds
from bulb.services.lambda_ import Arrivals
from bulb.services.logs.api import Logs
from bulb.services.logs.arrivals import Arrivals as LogArrivals
from bulb.services.logs.needs import needs as logs_needs
from bulb.services.logs.subscriptions import Subscriptions
from bulb.services.sts.api import Sts
from bulb.services.sts.needs import needs as sts_needs
from bulb.wiring.ground import Ground
from bulb.wiring.introductions import S3Targets
from bulb.wiring.part import Part


def buckets(ground: Ground, store: s3.S3Store, functions: Arrivals, handing: Callable[[], Handing]) -> Part:
    """S3. `handing` is asked for once somebody is to be told of objects; by then it is there."""
    authorizer = ground.authorizer
    api = s3.S3Api(
        store,
        S3Targets(functions, handing),
        ground.clock,
        s3.IdentitySigners(ground.identities, enforce=ground.config.enforce_credentials),
        authorizer.authorize if authorizer is not None else None,
    )
    return Part("s3", api, s3.needs, prepared=s3.Arrivals(store, ground.blobs).prepare)


async def logs(ground: Ground, functions: Arrivals) -> Part:
    """CloudWatch Logs."""
    subscriptions = Subscriptions(ground.database, functions, ground.clock)
    await subscriptions.load()
    api = Logs(ground.log_store, subscriptions)
    return Part("logs", api, logs_needs, destination=LogArrivals(ground.log_store).take)


def people(ground: Ground) -> tuple[Part, Part]:
    """IAM and STS."""
    enforced = ground.authorizer is not None
    iam = Iam(ground.database, ground.identities.keys, policies_enforced=enforced)
    sts = Sts(ground.identities, iam, enforce=ground.config.enforce_credentials, policies_enforced=enforced)
    return Part("iam", iam, IamNeeds(ground.database)), Part("sts", sts, sts_needs)
