"""10_nova: a shop's changes, through Debezium and Kafka, into current rows and histories in Snowflake."""
