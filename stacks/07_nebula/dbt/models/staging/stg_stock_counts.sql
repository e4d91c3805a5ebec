-- Each count of a product in a warehouse.
with texts as (
    select *, {{ cleaned('counted_on') }} as day_text, {{ cleaned('on_hand') }} as quantity_text
    from {{ source('nebula_raw', 'stock_counts') }}
),

typed as (
    select
        upper({{ cleaned('stock_code') }}) as stock_code,
        upper({{ cleaned('warehouse') }}) as warehouse,
        {{ to_date('day_text') }} as counted_on,
        {{ to_integer('quantity_text') }} as on_hand,
        _file as file_name,
        _line as line_number,
        _batch as batch_id
    from texts
)

select
    *,
    case
        when stock_code is null then 'no_product'
        when warehouse is null then 'no_warehouse'
        when counted_on is null then 'bad_date'
        when on_hand is null or on_hand < 0 then 'bad_quantity'
        when length(stock_code) > 50 or length(warehouse) > 50 then 'too_long'
    end as reject_reason
from typed
