-- Which family of orbits holds how much hazard? Potentially hazardous: within 0.05 au of our orbit, H of 22 or brighter.
with passes as (
    select spkid, count(*) as approaches, min(miss_distance_au) as nearest_au
    from {{ ref('earth_approaches') }}
    group by spkid
)

select
    bodies.orbit_class,
    case bodies.orbit_class
        when 'APO' then 'Apollo'
        when 'AMO' then 'Amor'
        when 'ATE' then 'Aten'
        when 'IEO' then 'Atira'
        else 'Comet'
    end as family,
    {{ integer('count(*)') }} as bodies,
    {{ integer('sum(case when bodies.is_hazardous then 1 else 0 end)') }} as hazardous,
    {{ integer('sum(case when bodies.is_hazardous is null then 1 else 0 end)') }} as undecided,
    {{ rounded('avg(case when bodies.is_hazardous then 1.0 else 0.0 end)', 9) }} as hazardous_share,
    {{ rounded('min(bodies.moid_au)', 12) }} as nearest_orbit_au,
    {{ rounded('min(bodies.h_magnitude)', 3) }} as brightest_h,
    {{ integer('sum(coalesce(passes.approaches, 0))') }} as approaches,
    {{ rounded('min(passes.nearest_au)', 10) }} as nearest_approach_au
from {{ ref('bodies') }} as bodies
left join passes on bodies.spkid = passes.spkid
group by bodies.orbit_class
