-- How does the search go? Bodies by the year of their first observation, and what is known since.
with years as (
    select
        extract(year from first_observed) as discovery_year,
        orbit_class,
        count(*) as discovered,
        sum(case when is_hazardous then 1 else 0 end) as hazardous,
        sum(case when h_magnitude <= 22 then 1 else 0 end) as large
    from {{ ref('bodies') }}
    group by 1, 2
)

select
    {{ integer('discovery_year') }} as discovery_year,
    orbit_class,
    {{ integer('discovered') }} as discovered,
    {{ integer('hazardous') }} as hazardous,
    {{ integer('large') }} as large,
    {{ integer('sum(discovered) over (
        partition by orbit_class order by discovery_year rows between unbounded preceding and current row
    )') }} as known_since
from years
