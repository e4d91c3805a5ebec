-- One row for each product, warehouse and day, from its first count to the last day that anything was counted. Between
-- counts the last one holds: on_hand adds up over products and warehouses, not over days. Of two counts of one day the
-- lower is taken.
-- What only a later run asks for, dbt does not see by itself:
-- depends_on: {{ ref('touched_products') }}
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='inventory_id',
    indexes=indexed(unique='inventory_id', others=['product_durable_key'])
) }}

with
{% if is_incremental() %}
-- What a count changes lies after it; days after the last one are new for every product.
since as (
    select least(
        (select min(counted_on) from {{ ref('stock_counts') }} where batch_id in {{ pending() }}),
        (select max(days.full_date) + 1 from {{ this }} as standing
            inner join {{ ref('dim_date') }} as days on standing.date_key = days.date_key)
    ) as day
),
{% endif %}

counts as (
    select stock_code, warehouse, counted_on, min(on_hand) as on_hand
    from {{ ref('stock_counts') }}
    group by stock_code, warehouse, counted_on
),

spans as (
    select
        *,
        lead(counted_on) over (partition by stock_code, warehouse order by counted_on) as next_count,
        max(counted_on) over () as last_day
    from counts
),

-- Without the years in which nothing was counted: a join by ranges costs all pairs.
calendar as (
    select date_key, full_date
    from {{ ref('dim_date') }}
    where full_date >= (select min(counted_on) from counts) and full_date <= (select max(counted_on) from counts)
),

days as (
    select spans.*, dates.date_key, dates.full_date
    from spans
    inner join calendar as dates
        on dates.full_date >= spans.counted_on
        and dates.full_date < coalesce(spans.next_count, spans.last_day + 1)
    {% if is_incremental() %}
    where dates.full_date >= (select day from since)
        or spans.stock_code in (select stock_code from {{ ref('touched_products') }})
    {% endif %}
),

keyed as (
    select
        {{ key_of("days.stock_code || '|' || days.warehouse || '|' || cast(days.date_key as varchar(10))") }}
            as inventory_id,
        days.date_key,
        products.product_key,
        products.product_durable_key,
        days.warehouse,
        days.on_hand,
        days.full_date = days.counted_on as is_counted,
        cast(days.full_date - days.counted_on as integer) as days_since_count
    from days
    -- The version that holds at the day's end.
    left join {{ ref('dim_product') }} as products
        on days.stock_code = products.stock_code
        and cast(days.full_date + 1 as timestamp) > products.valid_from
        and cast(days.full_date + 1 as timestamp) <= products.valid_to
)

{{ only_changed('keyed', 'inventory_id', ['product_key', 'on_hand', 'is_counted', 'days_since_count']) }}
