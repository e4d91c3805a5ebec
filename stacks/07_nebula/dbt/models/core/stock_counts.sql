-- Every usable count, typed once.
{{ config(
    pre_hook="{{ forget_pending() }}",
    indexes=indexed(others=['batch_id', 'stock_code'])
) }}

select batch_id, line_number, stock_code, warehouse, counted_on, on_hand
from {{ ref('stg_stock_counts') }}
{{ usable_of_pending() }}
