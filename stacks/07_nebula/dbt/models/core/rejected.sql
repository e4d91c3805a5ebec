-- The quarantine: every record that can't be used, where it stands, and why. A view: it is looked at rarely.
{{ config(materialized='view') }}

{% for feed in ['sales_lines', 'customer_changes', 'product_changes', 'order_events', 'stock_counts', 'promotions',
                'order_promotions'] %}
select '{{ feed }}' as feed, file_name, line_number, batch_id, reject_reason
from {{ ref('stg_' ~ feed) }} where reject_reason is not null
{{ 'union all' if not loop.last }}
{% endfor %}
