-- Every usable event of an order, typed once.
{{ config(
    pre_hook="{{ forget_pending() }}",
    indexes=indexed(others=['batch_id', 'order_no', 'customer_id'])
) }}

select batch_id, line_number, order_no, event, event_at, customer_id
from {{ ref('stg_order_events') }}
{{ usable_of_pending() }}
