-- Which promotions an order used, and what share of it each may claim: by the amounts that they took off, or evenly.
-- The last of an order gets what the others left, so that weights add up to 1 to the last digit.
with used as (
    select order_no, promotion_id, max(discount_amount) as discount_amount
    from {{ ref('stg_order_promotions') }}
    where reject_reason is null
    group by order_no, promotion_id
),

shares as (
    select
        *,
        row_number() over (partition by order_no order by promotion_id) as place,
        count(*) over (partition by order_no) as promotions,
        sum(discount_amount) over (partition by order_no) as total
    from used
),

weights as (
    select
        *,
        cast(round(case when total > 0 then discount_amount / total else 1.0 / promotions end, 6) as numeric(9, 6))
            as own_weight
    from shares
)

select
    order_no,
    {{ key_of('promotion_id') }} as promotion_key,
    discount_amount,
    cast(case
        when place < promotions then own_weight
        else 1 - (sum(own_weight) over (partition by order_no) - own_weight)
    end as numeric(9, 6)) as weight
from weights
