-- One row for each approach of a body, the newest record of it. Incremental for the same reason as bodies.
{{ config(materialized='incremental', unique_key='approach_id', incremental_strategy='merge', on_schema_change='fail') }}

with usable as (
    select
        concat(spkid, '-', cast(approach_epoch_ms as {{ text_type() }})) as approach_id,
        spkid,
        approach_date,
        approach_epoch_ms,
        velocity_km_s,
        miss_distance_au,
        loaded_at,
        file_name,
        line_number
    from {{ ref('stg_approaches') }}
    where reject_reason is null
),

ranked as (
    select
        *,
        row_number() over (
            partition by approach_id order by loaded_at desc, file_name desc, line_number desc
        ) as place
    from usable
    {% if is_incremental() %}
    where approach_id in (
        select approach_id from usable
        where loaded_at >= (select {{ day_before('max(loaded_at)') }} from {{ this }})
    )
    {% endif %}
)

select approach_id, spkid, approach_date, approach_epoch_ms, velocity_km_s, miss_distance_au, loaded_at
from ranked
where place = 1
