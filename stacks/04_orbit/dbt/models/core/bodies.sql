-- One row for each body: its newest usable record, whichever delivery came last.
-- Incremental, because a delivery touches few bodies: those are decided anew from all of their records, the rest stays.
-- Which files were built before is kept by the pipeline; a merge may see a body twice without harm.
{{ config(materialized='incremental', unique_key='spkid', incremental_strategy='merge', on_schema_change='fail') }}

with usable as (
    select
        *,
        -- The same facts again change nothing, so that the first record of them stays the current one.
        row_number() over (
            partition by spkid, facts order by loaded_at, file_name, line_number
        ) as repetition
    from {{ ref('stg_small_bodies') }}
    where reject_reason is null
    {% if is_incremental() %}
        and spkid in (
            select spkid from {{ ref('stg_small_bodies') }}
            where file_name not in (select file from {{ source('orbit_raw', 'balances') }})
        )
    {% endif %}
),

ranked as (
    select
        *,
        row_number() over (
            partition by spkid
            order by last_observed desc, observations desc, loaded_at desc, file_name desc, line_number desc
        ) as place
    from usable
    where repetition = 1
)

select
    spkid,
    full_name,
    body_name,
    orbit_class,
    orbit_id,
    is_hazardous,
    h_magnitude,
    diameter_km,
    albedo,
    eccentricity,
    semi_major_axis_au,
    perihelion_au,
    inclination_deg,
    moid_au,
    first_observed,
    last_observed,
    observations,
    condition_code,
    file_name,
    line_number,
    loaded_at
from ranked
where place = 1
