"""From "something happened" to an invoke: the outbox relay and the destinations it knows."""
