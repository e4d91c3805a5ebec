-- Each change of a product, a whole image of what is known then; a deletion has none.
with texts as (
    select *, {{ cleaned('changed_at') }} as moment_text, {{ cleaned('change_no') }} as number_text
    from {{ source('nebula_raw', 'product_changes') }}
),

typed as (
    select
        upper({{ cleaned('stock_code') }}) as stock_code,
        {{ to_moment('moment_text') }} as changed_at,
        {{ to_integer('number_text') }} as change_no,
        {{ to_flag('is_deleted') }} as is_deleted,
        {{ known('description') }} as description,
        {{ known('category') }} as category,
        {{ known('supplier') }} as supplier,
        _file as file_name,
        _line as line_number,
        _batch as batch_id
    from texts
)

select
    *,
    case
        when stock_code is null then 'no_product'
        when changed_at is null then 'bad_date'
        when change_no is null then 'no_change_no'
        when is_deleted is null then 'bad_flag'
        when length(stock_code) > 50 or length(description) > 100 or length(category || supplier) > 100 then 'too_long'
    end as reject_reason
from typed
