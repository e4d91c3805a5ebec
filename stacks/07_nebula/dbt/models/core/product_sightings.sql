-- Where a product was seen before anybody told what it is; a line with a price tells what it is called.
-- Without a price, UCI's lines have notes of the stock in the description: damages, found, ?.
{{ config(materialized='view') }}

select stock_code, invoiced_at as seen_at, case when unit_price > 0 then description end as description, batch_id
from {{ ref('sales_lines') }}
union all
select stock_code, cast(counted_on as timestamp), cast(null as varchar(100)), batch_id
from {{ ref('stock_counts') }}
