-- Each raw record with its types, and the first reason why it can't be used; nothing is left out here.
with typed as (
    select
        {{ cleaned('spkid') }} as spkid,
        {{ cleaned('full_name') }} as full_name,
        {{ cleaned('name') }} as body_name,
        {{ cleaned('class') }} as orbit_class,
        {{ cleaned('orbit_id') }} as orbit_id,
        case {{ cleaned('pha') }} when 'Y' then true when 'N' then false end as is_hazardous,
        {{ to_number('h') }} as h_magnitude,
        {{ to_number('diameter') }} as diameter_km,
        {{ to_number('albedo') }} as albedo,
        {{ to_number('e') }} as eccentricity,
        {{ to_number('a') }} as semi_major_axis_au,
        {{ to_number('q') }} as perihelion_au,
        {{ to_number('i') }} as inclination_deg,
        {{ to_number('moid') }} as moid_au,
        {{ to_date('first_obs') }} as first_observed,
        {{ to_date('last_obs') }} as last_observed,
        {{ to_integer('n_obs_used') }} as observations,
        {{ to_integer('condition_code') }} as condition_code,
        h as raw_h,
        diameter as raw_diameter,
        albedo as raw_albedo,
        first_obs as raw_first_obs,
        last_obs as raw_last_obs,
        {{ facts(['spkid', 'full_name', 'name', 'class', 'orbit_id', 'pha', 'h', 'diameter', 'albedo', 'e', 'a', 'q', 'i',
            'moid', 'first_obs', 'last_obs', 'n_obs_used', 'condition_code']) }} as facts,
        _file as file_name,
        {{ to_integer('_line') }} as line_number,
        {{ attempt('_loaded_at', 'timestamp') }} as loaded_at
    from {{ source('orbit_raw', 'small_bodies') }}
)

select
    *,
    case
        when spkid is null then 'no_spkid'
        when eccentricity is null or eccentricity < 0 then 'bad_eccentricity'
        when orbit_class is null or orbit_class not in ('APO', 'AMO', 'ATE', 'IEO', 'JFc', 'HTC', 'COM', 'HYP', 'PAR')
            then 'unknown_class'
        when first_observed is null or {{ unreadable('raw_last_obs', 'last_observed') }} then 'bad_date'
        when {{ unreadable('raw_h', 'h_magnitude') }} or h_magnitude < -5 or h_magnitude > 40 then 'bad_magnitude'
        when {{ unreadable('raw_albedo', 'albedo') }} or albedo <= 0 or albedo > 1 then 'bad_albedo'
        when {{ unreadable('raw_diameter', 'diameter_km') }} or diameter_km <= 0 then 'bad_diameter'
    end as reject_reason
from typed
