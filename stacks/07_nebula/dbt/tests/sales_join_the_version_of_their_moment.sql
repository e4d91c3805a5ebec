-- The keys of a sale name versions that were valid when it happened.
select sales.line_id
from {{ ref('fact_sales') }} as sales
inner join {{ ref('dim_customer') }} as customers on sales.customer_key = customers.customer_key
inner join {{ ref('dim_product') }} as products on sales.product_key = products.product_key
where sales.ordered_at < customers.valid_from or sales.ordered_at >= customers.valid_to
    or sales.ordered_at < products.valid_from or sales.ordered_at >= products.valid_to
    or sales.customer_durable_key <> customers.customer_durable_key
    or sales.product_durable_key <> products.product_durable_key
