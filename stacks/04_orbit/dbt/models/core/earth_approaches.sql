-- One row for each approach of a body, the newest record of it. Incremental for the same reason as bodies.
{{ config(materialized='incremental', unique_key='approach_id', incremental_strategy='merge', on_schema_change='fail') }}

with usable as (
    select
        *,
        row_number() over (
            partition by approach_id, facts order by loaded_at, file_name, line_number
        ) as repetition
    from {{ ref('stg_approaches') }}
    where reject_reason is null
    {% if is_incremental() %}
        and approach_id in (
            select approach_id from {{ ref('stg_approaches') }}
            where file_name not in (select file from {{ source('orbit_raw', 'balances') }})
        )
    {% endif %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by approach_id order by loaded_at desc, file_name desc, line_number desc
        ) as place
    from usable
    where repetition = 1
)

select
    approach_id,
    spkid,
    approach_date,
    approach_epoch_ms,
    velocity_km_s,
    miss_distance_au,
    file_name,
    line_number,
    loaded_at
from ranked
where place = 1
