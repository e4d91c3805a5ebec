-- Where a customer was seen before anybody told who it is; a line tells the country.
{{ config(materialized='view') }}

select customer_id, invoiced_at as seen_at, country, batch_id
from {{ ref('sales_lines') }} where customer_id is not null
union all
select customer_id, event_at, cast(null as varchar(50)), batch_id
from {{ ref('order_events') }} where customer_id is not null
