-- One row for each body: its newest usable record, whichever delivery came last.
-- Incremental, because a delivery touches few bodies: those are decided anew from all of their records, the rest stays.
-- A day's overlap catches deliveries that were landed side by side; a merge may see a body twice without harm.
{{ config(materialized='incremental', unique_key='spkid', incremental_strategy='merge', on_schema_change='fail') }}

with usable as (
    select * from {{ ref('stg_small_bodies') }} where reject_reason is null
),

ranked as (
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
        loaded_at,
        row_number() over (
            partition by spkid
            order by last_observed desc, observations desc, loaded_at desc, file_name desc, line_number desc
        ) as place
    from usable
    {% if is_incremental() %}
    where spkid in (
        select spkid from usable
        where loaded_at >= (select {{ day_before('max(loaded_at)') }} from {{ this }})
    )
    {% endif %}
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
    loaded_at
from ranked
where place = 1
