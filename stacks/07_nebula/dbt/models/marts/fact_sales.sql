-- One row for each line of an invoice; cancellations and returns are lines with a negative quantity.
-- Incremental: lines that a pending batch tells of, and those of members whose history it changed. What stays is not
-- written. Where two records tell of a line, who bought and what it is called are known better than unknown.
-- What only a later run asks for, dbt does not see by itself:
-- depends_on: {{ ref('touched_customers') }}
-- depends_on: {{ ref('touched_products') }}
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='line_id',
    indexes=indexed(unique='line_id', others=['customer_durable_key', 'product_durable_key'])
) }}

with
{% if is_incremental() %}
wanted as (
    select line_id from {{ ref('sales_lines') }} where batch_id in {{ pending() }}
    union
    select line_id from {{ this }}
    where customer_durable_key in (select {{ key_of('customer_id') }} from {{ ref('touched_customers') }})
    union
    select line_id from {{ this }}
    where product_durable_key in (select {{ key_of('stock_code') }} from {{ ref('touched_products') }})
),
{% endif %}

lines as (
    select
        told.line_id,
        told.invoice_no,
        told.stock_code,
        told.invoiced_at,
        told.quantity,
        told.unit_price,
        max(told.customer_id) as customer_id
    from {{ ref('sales_lines') }} as told
    {% if is_incremental() %} inner join wanted on told.line_id = wanted.line_id {% endif %}
    group by
        told.line_id, told.invoice_no, told.stock_code, told.invoiced_at, told.quantity, told.unit_price
),

keyed as (
    select
        lines.line_id,
        lines.invoice_no,
        cast(extract(year from lines.invoiced_at) * 10000 + extract(month from lines.invoiced_at) * 100
            + extract(day from lines.invoiced_at) as integer) as order_date_key,
        coalesce(customers.customer_key, -1) as customer_key,
        coalesce(customers.customer_durable_key, -1) as customer_durable_key,
        products.product_key,
        products.product_durable_key,
        {{ line_profile_key(
            "lines.invoice_no like 'C%'", 'lines.quantity < 0', 'lines.unit_price = 0', 'lines.customer_id is null',
            line_kind_place('lines.stock_code')
        ) }} as line_profile_key,
        lines.invoiced_at as ordered_at,
        lines.quantity,
        cast(lines.unit_price as numeric(12, 4)) as unit_price,
        cast(lines.quantity * lines.unit_price as numeric(18, 4)) as amount
    from lines
    left join {{ ref('dim_customer') }} as customers
        on lines.customer_id = customers.customer_id
        and lines.invoiced_at >= customers.valid_from
        and lines.invoiced_at < customers.valid_to
    left join {{ ref('dim_product') }} as products
        on lines.stock_code = products.stock_code
        and lines.invoiced_at >= products.valid_from
        and lines.invoiced_at < products.valid_to
)

{{ only_changed('keyed', 'line_id', ['customer_key', 'product_key', 'line_profile_key']) }}
