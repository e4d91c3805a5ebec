-- Which promotions an order used, and what share of it each may claim: by the amounts that they took off, or evenly.
-- Weights are whole millionths, rounded in whole numbers; the largest share takes what the others leave, so that an
-- order's weights add up to 1 to the last digit, in each warehouse.
with used as (
    select order_no, promotion_id, max(discount_amount) as discount_amount
    from {{ ref('stg_order_promotions') }}
    where reject_reason is null
    group by order_no, promotion_id
),

parts as (
    select
        *,
        row_number() over (partition by order_no order by discount_amount desc, promotion_id) as place,
        case when sum(discount_amount) over (partition by order_no) > 0
            then cast(discount_amount * 10000 as bigint) else 1 end as part
    from used
),

wholes as (
    select *, cast(sum(part) over (partition by order_no) as bigint) as whole from parts
),

rounded as (
    select *, cast((part * 2000000 + whole - mod(part * 2000000 + whole, 2 * whole)) / (2 * whole) as bigint) as millionths
    from wholes
)

select
    order_no,
    {{ key_of('promotion_id') }} as promotion_key,
    discount_amount,
    cast(cast(case
        when place > 1 then millionths
        else 1000000 - (sum(millionths) over (partition by order_no) - millionths)
    end as numeric(12, 0)) * 0.000001 as numeric(9, 6)) as weight
from rounded
