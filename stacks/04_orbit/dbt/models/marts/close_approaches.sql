-- Who passed the Earth, how near and how fast, and how long after its previous pass?
select
    passes.approach_id,
    passes.spkid,
    bodies.full_name,
    bodies.orbit_class,
    passes.approach_date,
    {{ rounded('passes.miss_distance_au', 10) }} as miss_distance_au,
    {{ rounded('passes.miss_distance_au * 389.174', 4) }} as miss_distance_ld,
    {{ rounded('passes.velocity_km_s', 10) }} as velocity_km_s,
    sizes.diameter_km,
    bodies.is_hazardous,
    passes.miss_distance_au * 389.174 < 1 as is_within_moon,
    {{ integer(days_between(
        'lag(passes.approach_date) over (partition by passes.spkid order by passes.approach_epoch_ms)',
        'passes.approach_date'
    )) }} as days_since_previous
from {{ ref('earth_approaches') }} as passes
left join {{ ref('bodies') }} as bodies on passes.spkid = bodies.spkid
left join {{ ref('size_estimates') }} as sizes on passes.spkid = sizes.spkid
