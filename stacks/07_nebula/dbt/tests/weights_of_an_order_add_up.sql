select order_no from {{ ref('bridge_order_promotion') }} group by order_no having sum(weight) <> 1
