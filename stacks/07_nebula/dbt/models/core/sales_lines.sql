-- Every usable record of a line, typed once. line_id is the line: invoice, product, moment, quantity and price.
-- content_id is all that the record says: equal ones are duplicates, others tell something else of the same line.
{{ config(
    pre_hook="{{ forget_pending() }}",
    indexes=indexed(others=['batch_id', 'line_id', 'customer_id', 'stock_code'])
) }}

with usable as (
    select
        *,
        {{ together(['invoice_no', 'stock_code', 'invoiced_at', 'quantity', 'unit_price']) }} as identity
    from {{ ref('stg_sales_lines') }}
    {{ usable_of_pending() }}
)

select
    batch_id,
    line_number,
    {{ key_of('identity') }} as line_id,
    {{ key_of("identity || '|' || " ~ together(['customer_id', 'description', 'country'])) }} as content_id,
    invoice_no,
    stock_code,
    description,
    quantity,
    invoiced_at,
    unit_price,
    customer_id,
    country
from usable
