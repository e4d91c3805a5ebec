-- What each promotion may claim of the sales, by the bridge's weights; it adds up to all sales.
{{ config(materialized='view') }}

select
    promotions.promotion_key,
    promotions.promotion_name,
    promotions.promotion_kind,
    count(distinct sales.invoice_no) as orders,
    sum(sales.amount * coalesce(bridge.weight, 1)) as weighted_amount
from {{ ref('fact_sales') }} as sales
left join {{ ref('bridge_order_promotion') }} as bridge on sales.invoice_no = bridge.order_no
inner join {{ ref('dim_promotion') }} as promotions on coalesce(bridge.promotion_key, -1) = promotions.promotion_key
group by promotions.promotion_key, promotions.promotion_name, promotions.promotion_kind
