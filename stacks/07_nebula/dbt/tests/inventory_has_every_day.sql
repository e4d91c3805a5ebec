-- From its first count to the last day each product has one row a day in each warehouse.
select product_durable_key, warehouse
from (
    select inventory.product_durable_key, inventory.warehouse, min(days.full_date) as first_day, count(*) as days
    from {{ ref('fact_inventory_daily') }} as inventory
    inner join {{ ref('dim_date') }} as days on inventory.date_key = days.date_key
    group by inventory.product_durable_key, inventory.warehouse
) as spans
where days <> (select max(counted_on) from {{ ref('stock_counts') }}) - first_day + 1
