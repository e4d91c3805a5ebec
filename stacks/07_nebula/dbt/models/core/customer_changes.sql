-- Every usable change of a customer, typed once.
{{ config(
    pre_hook="{{ forget_pending() }}",
    indexes=indexed(others=['batch_id', 'customer_id'])
) }}

select
    batch_id,
    line_number,
    customer_id,
    changed_at,
    change_no,
    is_deleted,
    name,
    email,
    country,
    city,
    segment,
    {{ key_of(together(['name', 'email', 'country', 'city', 'segment'])) }} as content_id
from {{ ref('stg_customer_changes') }}
{{ usable_of_pending() }}
