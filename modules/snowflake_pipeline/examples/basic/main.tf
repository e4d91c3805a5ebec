module "pipeline" {
  source = "../.."

  name      = "ORRERY_EXAMPLE"
  comment   = "Orders of the example's shop"
  database  = "ORRERY_EXAMPLE_SALES"
  warehouse = "ORRERY_EXAMPLE"
  stage     = "FILES"

  landing_tables = {
    MESSAGES = {
      comment = "Each Kafka message once"
      stream  = "ARRIVALS"
      columns = [
        { name = "TOPIC", type = "VARCHAR", nullable = false },
        { name = "KAFKA_PARTITION", type = "NUMBER(10,0)", nullable = false },
        { name = "KAFKA_OFFSET", type = "NUMBER(19,0)", nullable = false },
        { name = "RECORD", type = "VARIANT" },
        { name = "LANDED_AT", type = "TIMESTAMP_LTZ(9)", default = "CURRENT_TIMESTAMP()" },
      ]
    }
  }

  loader_tables = {
    OFFSETS = {
      comment = "How far each partition has landed"
      columns = [
        { name = "TOPIC", type = "VARCHAR", nullable = false },
        { name = "KAFKA_PARTITION", type = "NUMBER(10,0)", nullable = false },
        { name = "NEXT_OFFSET", type = "NUMBER(19,0)", nullable = false },
      ]
    }
  }

  target_schemas = {
    WORK = { comment = "What waits to be merged", readable = false }
    SHOP = { comment = "The shop's tables as they are now" }
  }

  tasks = {
    MERGE = {
      comment = "Brings the orders up to date"
      watches = ["MESSAGES"]
      setup = [
        "CREATE TABLE IF NOT EXISTS WORK.NEWEST (ORDER_ID NUMBER(19,0), STATUS VARCHAR)",
        "CREATE TABLE IF NOT EXISTS SHOP.ORDERS (ORDER_ID NUMBER(19,0), STATUS VARCHAR)",
      ]
      statements = [
        "DELETE FROM WORK.NEWEST",
        <<-SQL
          INSERT INTO WORK.NEWEST (ORDER_ID, STATUS)
          SELECT RECORD:id::NUMBER(19,0), RECORD:status::VARCHAR
          FROM LANDING.ARRIVALS
          QUALIFY ROW_NUMBER() OVER (PARTITION BY RECORD:id::NUMBER(19,0) ORDER BY KAFKA_OFFSET DESC) = 1
        SQL
        ,
        <<-SQL
          MERGE INTO SHOP.ORDERS AS orders
          USING WORK.NEWEST AS newest ON orders.ORDER_ID = newest.ORDER_ID
          WHEN MATCHED THEN UPDATE SET STATUS = newest.STATUS
          WHEN NOT MATCHED THEN INSERT (ORDER_ID, STATUS) VALUES (newest.ORDER_ID, newest.STATUS)
        SQL
      ]
    }
  }

  loaders = ["LOADER"]
  readers = ["ANALYST"]

  alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"
  alarm_role_arn  = "arn:aws:iam::111122223333:role/orrery-example-snowflake-alarms"
}
