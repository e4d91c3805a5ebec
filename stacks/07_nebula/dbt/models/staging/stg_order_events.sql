-- Each event in the life of an order.
with texts as (
    select *, {{ cleaned('event_at') }} as moment_text from {{ source('nebula_raw', 'order_events') }}
),

typed as (
    select
        upper({{ cleaned('order_no') }}) as order_no,
        lower({{ cleaned('event') }}) as event,
        {{ to_moment('moment_text') }} as event_at,
        {{ to_customer('customer_id') }} as customer_id,
        customer_id as raw_customer_id,
        _file as file_name,
        _line as line_number,
        _batch as batch_id
    from texts
)

select
    *,
    case
        when order_no is null or not {{ matches('order_no', '[A-Z]?[0-9]{5,9}') }} then 'no_order'
        when event is null or event not in ('placed', 'paid', 'picked', 'shipped', 'delivered', 'returned')
            then 'unknown_event'
        when event_at is null then 'bad_date'
        when {{ unreadable('raw_customer_id', 'customer_id') }} then 'bad_customer'
    end as reject_reason
from typed
