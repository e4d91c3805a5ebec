-- How large is each body? Measured where it was; else from the magnitude, with its albedo, or between those of a dark
-- (0.05) and a bright (0.25) surface, 0.14 being the usual mean.
with sized as (
    select
        spkid,
        orbit_class,
        h_magnitude,
        albedo,
        diameter_km as measured_km,
        {{ diameter_km('h_magnitude', '0.25') }} as low_km,
        {{ diameter_km('h_magnitude', '0.05') }} as high_km,
        {{ diameter_km('h_magnitude', 'coalesce(albedo, 0.14)') }} as estimated_km
    from {{ ref('bodies') }}
    where h_magnitude is not null or diameter_km is not null
)

select
    spkid,
    orbit_class,
    {{ rounded('h_magnitude', 3) }} as h_magnitude,
    {{ rounded('albedo', 4) }} as albedo,
    case
        when measured_km is not null then 'measured'
        when albedo is not null then 'albedo'
        else 'magnitude'
    end as method,
    {{ rounded('coalesce(measured_km, estimated_km)') }} as diameter_km,
    {{ rounded('low_km') }} as diameter_low_km,
    {{ rounded('high_km') }} as diameter_high_km,
    case
        when coalesce(measured_km, estimated_km) >= 1 then '1 km and more'
        when coalesce(measured_km, estimated_km) >= 0.14 then '140 m to 1 km'
        when coalesce(measured_km, estimated_km) >= 0.02 then '20 m to 140 m'
        else 'below 20 m'
    end as size_class
from sized
