"""What must last: one database with one writer, content-addressed blobs, the durable queue and the outbox.

Nothing here knows what a function or a bucket is. See DESIGN.md for what is promised and how.
"""
