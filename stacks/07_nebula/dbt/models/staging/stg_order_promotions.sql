-- Which order used which promotion, and what it took off.
with texts as (
    select *, {{ cleaned('discount_amount') }} as amount_text from {{ source('nebula_raw', 'order_promotions') }}
),

typed as (
    select
        upper({{ cleaned('order_no') }}) as order_no,
        upper({{ cleaned('promotion_id') }}) as promotion_id,
        {{ to_amount('amount_text') }} as discount_amount,
        _file as file_name,
        _line as line_number,
        _batch as batch_id
    from texts
)

select
    *,
    case
        when order_no is null or not {{ matches('order_no', '[A-Z]?[0-9]{5,9}') }} then 'no_order'
        when promotion_id is null or length(promotion_id) > 50 then 'no_promotion'
        when discount_amount is null or discount_amount < 0 then 'bad_amount'
    end as reject_reason
from typed
