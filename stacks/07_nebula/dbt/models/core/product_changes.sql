-- Every usable change of a product, typed once.
{{ config(
    pre_hook="{{ forget_pending() }}",
    indexes=indexed(others=['batch_id', 'stock_code'])
) }}

select
    batch_id,
    line_number,
    stock_code,
    changed_at,
    change_no,
    is_deleted,
    description,
    category,
    supplier,
    {{ key_of(together(['description', 'category', 'supplier'])) }} as content_id
from {{ ref('stg_product_changes') }}
{{ usable_of_pending() }}
