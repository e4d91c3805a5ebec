{# The history of a dimension: SCD type 2, with columns of type 1 and type 6, decided from all that is known of a member.

   A batch touches some members. Their versions are worked out anew from all of their changes, so the order in which
   changes arrived doesn't matter: a late one splits a version, an older delivery sent again changes nothing.
   - A change is a whole image. Of several at one moment the one with the highest change_no counts.
   - A deletion opens a version too: the last image, marked is_deleted. Moments are never without a version.
   - Before the first change the member is inferred: from where it was seen (orders, counts), else unknown.
   - Type 2: `attributes`. Type 1: `overwritten`, the last image's on all versions. Type 6: `current`, the last version's
     value beside each version's own.

   Parameters: key, the member's column; prefix, of the key columns; changes; sightings, with `seen_at`, and with
   `observed`, the one attribute that a sighting tells (or null). #}
{% macro history(key, prefix, changes, sightings, observed, attributes, overwritten, current) %}
{%- set beginning = "cast('1900-01-01' as timestamp)" %}
{%- set forever = "cast('9999-12-31' as timestamp)" %}
with
{% if is_incremental() %}
touched as ({{ touched_members(key, changes, sightings, this) }}),
{% endif %}

changes as (
    select * from {{ changes }}
    {% if is_incremental() %} where {{ key }} in (select {{ key }} from touched) {% endif %}
),

ranked as (
    select *, row_number() over (partition by {{ key }}, changed_at order by change_no desc, content_id desc) as place
    from changes
),

images as (
    select
        *,
        sum(case when is_deleted then 0 else 1 end)
            over (partition by {{ key }} order by changed_at rows unbounded preceding) as image
    from ranked
    where place = 1
),

filled as (
    select
        {{ key }},
        changed_at as valid_from,
        false as is_inferred,
        is_deleted
        {% for column in attributes %}
        , first_value({{ column }}) over (
            partition by {{ key }}, image order by changed_at rows between unbounded preceding and unbounded following
        ) as {{ column }}
        {% endfor %}
    from images
),

last_images as (
    select *
    from (
        select *, row_number() over (
            partition by {{ key }} order by case when is_deleted then 1 else 0 end, changed_at desc
        ) as from_last
        from images
    ) as counted
    where from_last = 1
),

first_changes as (
    select {{ key }}, min(valid_from) as first_known from filled group by {{ key }}
),

sightings as (
    select seen.{{ key }}, seen.seen_at, max(seen.{{ observed }}) as {{ observed }}
    from {{ sightings }} as seen
    left join first_changes on seen.{{ key }} = first_changes.{{ key }}
    where (first_changes.first_known is null or seen.seen_at < first_changes.first_known)
        {% if is_incremental() %} and seen.{{ key }} in (select {{ key }} from touched) {% endif %}
    group by seen.{{ key }}, seen.seen_at
),

told as (
    select
        {{ key }},
        {{ observed }},
        seen_at,
        row_number() over (partition by {{ key }} order by seen_at) as place
    from sightings
    where {{ observed }} is not null
),

members as (
    select {{ key }} from first_changes
    union
    select {{ key }} from sightings
),

moments as (
    select {{ key }}, valid_from, is_inferred, is_deleted, {{ attributes | join(', ') }} from filled
    union all
    -- What is told first held before, too; a member of which nothing is told is unknown then.
    select
        members.{{ key }},
        case when coalesce(told.place, 1) = 1 then {{ beginning }} else told.seen_at end as valid_from,
        true as is_inferred,
        false as is_deleted
        {% for column in attributes %}
        , {{ "coalesce(told." ~ column ~ ", 'unknown')" if column == observed else "'unknown'" }} as {{ column }}
        {% endfor %}
    from members
    left join told on members.{{ key }} = told.{{ key }}
),

compared as (
    select
        *,
        row_number() over (partition by {{ key }} order by valid_from) as place,
        lag(is_inferred) over (partition by {{ key }} order by valid_from) as was_inferred,
        lag(is_deleted) over (partition by {{ key }} order by valid_from) as was_deleted
        {% for column in attributes %}
        , lag({{ column }}) over (partition by {{ key }} order by valid_from) as was_{{ column }}
        {% endfor %}
    from moments
),

versions as (
    select
        {{ key }},
        row_number() over (partition by {{ key }} order by valid_from) as version_number,
        valid_from,
        coalesce(lead(valid_from) over (partition by {{ key }} order by valid_from), {{ forever }}) as valid_to,
        is_inferred,
        is_deleted,
        {{ attributes | join(', ') }}
        {% for column in current %}
        , first_value({{ column }}) over (
            partition by {{ key }} order by valid_from desc rows between unbounded preceding and unbounded following
        ) as current_{{ column }}
        {% endfor %}
    from compared
    where place = 1
        or is_inferred <> was_inferred
        or is_deleted <> was_deleted
        {% for column in attributes %}
        or {{ column }} <> was_{{ column }}
        {% endfor %}
),

finished as (
    select
        {{ key_of("versions." ~ key ~ " || '|' || cast(versions.valid_from as varchar(30))") }} as {{ prefix }}_key,
        {{ key_of("versions." ~ key) }} as {{ prefix }}_durable_key,
        versions.{{ key }},
        cast(versions.version_number as bigint) as version_number,
        versions.valid_from,
        versions.valid_to,
        versions.valid_to = {{ forever }} as is_current,
        versions.is_inferred,
        versions.is_deleted
        {% for column in attributes %}
        , versions.{{ column }}
        {% endfor %}
        {% for column in current %}
        , versions.current_{{ column }}
        {% endfor %}
        {% for column in overwritten %}
        , coalesce(last_images.{{ column }}, 'unknown') as {{ column }}
        {% endfor %}
    from versions
    left join last_images on versions.{{ key }} = last_images.{{ key }}
)

select
    finished.*,
    md5({{ together([prefix ~ '_key', 'version_number', 'valid_to'] + attributes + overwritten) }}
        || case when is_inferred then 'i' else '-' end
        || case when is_deleted then 'd' else '-' end
        {% for column in current %} || current_{{ column }}{% endfor %}) as version_hash
from finished
{% if not is_incremental() %}
union all
select
    -1, -1, 'unknown', 1, {{ beginning }}, {{ forever }}, true, false, false
    {% for column in attributes + current + overwritten %}, 'unknown'{% endfor %}
    , md5('unknown')
{% endif %}
{% endmacro %}

{# The members whose history a run decides anew: those with a change in a pending batch, and those that one saw at a
   moment that only an inferred version covers, or none. Asked of the dimension before it is built, and after. #}
{% macro touched_members(key, changes, sightings, dimension) -%}
    select {{ key }} from {{ changes }} where batch_id in {{ pending() }}
    union
    select seen.{{ key }}
    from {{ sightings }} as seen
    left join {{ dimension }} as versions
        on seen.{{ key }} = versions.{{ key }}
        and seen.seen_at >= versions.valid_from
        and seen.seen_at < versions.valid_to
    where seen.batch_id in {{ pending() }} and coalesce(versions.is_inferred, true)
{%- endmacro %}

{# How recomputed versions get into the dimension: those that stand as they are stay, the others of the same members go,
   and what is new or different is added, in one transaction. dbt calls it for incremental_strategy='history'. #}
{% macro get_incremental_history_sql(arguments) %}
{%- set target, fresh = arguments['target_relation'], arguments['temp_relation'] %}
{%- set columns = arguments['dest_columns'] | map(attribute='name') | list %}
{%- set member, key, standing = config.get('meta')['member'], config.require('unique_key'), target.identifier ~ '__standing' %}
{%- set forever = "cast('9999-12-31' as timestamp)" %}
-- What stands of these members is looked up once; all else is between two small tables.
create temporary table {{ standing }} as
select {{ key }}, version_hash, valid_to
from {{ target }}
where {{ member }} in (select {{ member }} from {{ fresh }});

insert into {{ target.schema | replace('_marts', '_core') }}.versions_written
select
    '{{ target.identifier }}',
    coalesce(sum(case when standing.{{ key }} is null then 1 else 0 end), 0),
    coalesce(sum(case when standing.valid_to = {{ forever }} and fresh.valid_to <> {{ forever }} then 1 else 0 end), 0),
    coalesce(sum(case when fresh.{{ key }} is null then 1 else 0 end), 0)
from {{ fresh }} as fresh
full outer join {{ standing }} as standing on fresh.{{ key }} = standing.{{ key }};

delete from {{ target }}
where {{ key }} in (
    select standing.{{ key }}
    from {{ standing }} as standing
    left join {{ fresh }} as fresh on standing.version_hash = fresh.version_hash
    where fresh.version_hash is null
);

insert into {{ target }} ({{ columns | join(', ') }})
select fresh.{{ columns | join(', fresh.') }}
from {{ fresh }} as fresh
left join {{ standing }} as standing on fresh.version_hash = standing.version_hash
where standing.version_hash is null;

drop table {{ standing }};
{% endmacro %}
