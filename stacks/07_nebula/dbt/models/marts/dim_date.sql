-- Every day of the years that a date can have here, and one row for a day that is not known (yet).
with digits as (
    {% for digit in range(10) %}select {{ digit }} as digit {{ 'union all ' if not loop.last }}{% endfor %}
),

days as (
    select cast('2000-01-01' as date) + cast(
        a.digit + 10 * b.digit + 100 * c.digit + 1000 * d.digit + 10000 * e.digit as integer
    ) as full_date
    from digits as a
    cross join digits as b
    cross join digits as c
    cross join digits as d
    cross join (select digit from digits where digit < 2) as e
)

select
    cast(extract(year from full_date) * 10000 + extract(month from full_date) * 100 + extract(day from full_date)
        as integer) as date_key,
    full_date,
    cast(extract(year from full_date) as integer) as year_number,
    cast(extract(quarter from full_date) as integer) as quarter_number,
    cast(extract(month from full_date) as integer) as month_number,
    cast(extract(day from full_date) as integer) as day_of_month,
    cast(case when extract(dow from full_date) = 0 then 7 else extract(dow from full_date) end as integer)
        as day_of_week,
    cast(extract(week from full_date) as integer) as iso_week,
    extract(dow from full_date) in (0, 6) as is_weekend
from days
where full_date < cast('2050-01-01' as date)
union all
select -1, cast(null as date), -1, -1, -1, -1, -1, -1, false
