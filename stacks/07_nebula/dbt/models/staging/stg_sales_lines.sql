-- Each sales line with its types, and the first reason why it can't be used; nothing is left out here.
with texts as (
    select
        *,
        {{ moment_text('invoice_date') }} as moment_text,
        {{ cleaned('quantity') }} as quantity_text,
        {{ cleaned('unit_price') }} as price_text
    from {{ source('nebula_raw', 'sales_lines') }}
),

typed as (
    select
        upper({{ cleaned('invoice_no') }}) as invoice_no,
        upper({{ cleaned('stock_code') }}) as stock_code,
        {{ cleaned('description') }} as description,
        {{ to_integer('quantity_text') }} as quantity,
        {{ to_moment('moment_text') }} as invoiced_at,
        {{ to_amount('price_text') }} as unit_price,
        {{ to_customer('customer_id') }} as customer_id,
        customer_id as raw_customer_id,
        {{ cleaned('country') }} as country,
        _file as file_name,
        _line as line_number,
        _batch as batch_id
    from texts
)

select
    *,
    case
        when invoice_no is null or not {{ matches('invoice_no', '[A-Z]?[0-9]{5,9}') }} then 'no_invoice'
        when stock_code is null then 'no_product'
        when quantity is null then 'bad_quantity'
        when invoiced_at is null then 'bad_date'
        when unit_price is null then 'bad_price'
        when {{ unreadable('raw_customer_id', 'customer_id') }} then 'bad_customer'
        when length(stock_code) > 50 or length(coalesce(description, '')) > 100 or length(coalesce(country, '')) > 50
            then 'too_long'
    end as reject_reason
from typed
