-- Each announcement of a promotion.
with texts as (
    select
        *,
        {{ cleaned('changed_at') }} as moment_text,
        {{ cleaned('discount_pct') }} as percent_text,
        {{ cleaned('starts_on') }} as starts_text,
        {{ cleaned('ends_on') }} as ends_text
    from {{ source('nebula_raw', 'promotions') }}
),

typed as (
    select
        upper({{ cleaned('promotion_id') }}) as promotion_id,
        {{ to_moment('moment_text') }} as changed_at,
        {{ known('name') }} as name,
        {{ known('kind') }} as kind,
        {{ to_amount('percent_text') }} as discount_pct,
        {{ to_date('starts_text') }} as starts_on,
        {{ to_date('ends_text') }} as ends_on,
        _file as file_name,
        _line as line_number,
        _batch as batch_id
    from texts
)

select
    *,
    case
        when promotion_id is null then 'no_promotion'
        when changed_at is null or starts_on is null or ends_on is null or ends_on < starts_on then 'bad_date'
        when discount_pct is null or discount_pct < 0 or discount_pct > 100 then 'bad_percent'
        when length(promotion_id) > 50 or length(name || kind) > 100 then 'too_long'
    end as reject_reason
from typed
