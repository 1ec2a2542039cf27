"""Event source mappings of queues: messages are claimed, gathered into batches, handed to a function and settled."""

from bulb.delivery.polling.mappings import QueueMappings
from bulb.delivery.polling.queues import QueueFacts, QueueMessage, QueueReader

__all__ = ["QueueFacts", "QueueMappings", "QueueMessage", "QueueReader"]
