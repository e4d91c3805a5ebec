-- Each change of a customer, a whole image of what is known then; a deletion has none.
with texts as (
    select *, {{ cleaned('changed_at') }} as moment_text, {{ cleaned('change_no') }} as number_text
    from {{ source('nebula_raw', 'customer_changes') }}
),

typed as (
    select
        {{ to_customer('customer_id') }} as customer_id,
        {{ to_moment('moment_text') }} as changed_at,
        {{ to_integer('number_text') }} as change_no,
        {{ to_flag('is_deleted') }} as is_deleted,
        {{ known('name') }} as name,
        {{ known('email') }} as email,
        {{ known('country') }} as country,
        {{ known('city') }} as city,
        {{ known('segment') }} as segment,
        _file as file_name,
        _line as line_number,
        _batch as batch_id
    from texts
)

select
    *,
    case
        when customer_id is null then 'bad_customer'
        when changed_at is null then 'bad_date'
        when change_no is null then 'no_change_no'
        when is_deleted is null then 'bad_flag'
        when length(name || email || country || city || segment) > 100 then 'too_long'
    end as reject_reason
from typed
