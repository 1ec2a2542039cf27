"""Amazon SNS: topics, subscriptions, and the fan-out of what is published. See DESIGN.md."""

from bulb.services.sns.api import Parts, SnsApi
from bulb.services.sns.directory import Directory
from bulb.services.sns.needs import needs
from bulb.services.sns.publisher import Publisher
from bulb.services.sns.replaying import Replaying
from bulb.services.sns.retries import after_refusal
from bulb.services.sns.signing import PATH as CERTIFICATE_PATH
from bulb.services.sns.signing import Signer
from bulb.services.sns.statuses import Statuses

__all__ = [
    "CERTIFICATE_PATH",
    "Directory",
    "Parts",
    "Publisher",
    "Replaying",
    "Signer",
    "SnsApi",
    "Statuses",
    "after_refusal",
    "needs",
]
