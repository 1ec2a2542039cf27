"""AWS Lambda's API: functions, what they are made of, and invoking them. See DESIGN.md."""

from bulb.services.lambda_.activation import Activator
from bulb.services.lambda_.allotments import Allotments
from bulb.services.lambda_.api import LambdaApi
from bulb.services.lambda_.arrivals import Arrivals
from bulb.services.lambda_.catalog import Catalog
from bulb.services.lambda_.downloads import PATH as CODE_DOWNLOAD_PATH
from bulb.services.lambda_.event_rules import EventRules
from bulb.services.lambda_.guards import Guards
from bulb.services.lambda_.mappings import EventSource, EventSourceMapping, EventSources
from bulb.services.lambda_.model import Definition, FunctionRecord
from bulb.services.lambda_.needs import needs
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.packages import ObjectReader, Packages
from bulb.services.lambda_.sources import SourceWatch
from bulb.services.lambda_.store import LambdaStore
from bulb.services.lambda_.urls.address import MARKER as URL_MARKER
from bulb.services.lambda_.urls.address import PATH as URL_PATH

__all__ = [
    "CODE_DOWNLOAD_PATH",
    "URL_MARKER",
    "URL_PATH",
    "Activator",
    "Allotments",
    "Arrivals",
    "Catalog",
    "Definition",
    "EventRules",
    "EventSource",
    "EventSourceMapping",
    "EventSources",
    "FunctionRecord",
    "Guards",
    "LambdaApi",
    "LambdaOptions",
    "LambdaStore",
    "ObjectReader",
    "Packages",
    "SourceWatch",
    "needs",
]
