"""A Kafka broker for the local cloud: one process, Kafka's own protocol, a log on disk that outlives ``kill -9``.

Why there is one: ``docs/adr/0022-a-kafka-broker-of-our-own.md``. Only what that decision lists is spoken, and it is
proven with librdkafka and with Kafka's own Java clients. Nothing of it is for production.

``wire``
    Bytes to dictionaries and back, by a table of the requests.
``log``
    Topics and partitions: batches as clients send them, appended to segments.
``checksum``
    CRC-32C, and what it becomes when the broker writes its own time into a batch.
``groups``
    Consumer groups: who reads which partition, and how far.
``transactions``
    Producer ids, and transactions over partitions and offsets.
``server``
    What each request does.
"""
