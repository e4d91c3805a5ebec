select claimed.amount, sold.amount as in_sales
from (select sum(weighted_amount) as amount from {{ ref('sales_by_promotion') }}) as claimed
cross join (select sum(amount) as amount from {{ ref('fact_sales') }}) as sold
where abs(claimed.amount - sold.amount) > 0.0001
