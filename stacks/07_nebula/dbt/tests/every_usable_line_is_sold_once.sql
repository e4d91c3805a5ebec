-- Lines in core and lines in the fact are the same: none lost, none doubled.
select coalesce(lines.line_id, sales.line_id) as line_id
from (select distinct line_id from {{ ref('sales_lines') }}) as lines
full outer join {{ ref('fact_sales') }} as sales on lines.line_id = sales.line_id
where lines.line_id is null or sales.line_id is null
