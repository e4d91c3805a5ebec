-- Every promotion as it was announced last (type 1); one that only orders know of is inferred.
with ranked as (
    select *, row_number() over (
        partition by promotion_id order by changed_at desc, name desc, kind desc, discount_pct desc, starts_on, ends_on
    ) as place
    from {{ ref('stg_promotions') }}
    where reject_reason is null
),

used as (
    select distinct promotion_id from {{ ref('stg_order_promotions') }} where reject_reason is null
)

select
    {{ key_of('coalesce(ranked.promotion_id, used.promotion_id)') }} as promotion_key,
    coalesce(ranked.promotion_id, used.promotion_id) as promotion_id,
    ranked.promotion_id is null as is_inferred,
    coalesce(ranked.name, 'unknown') as promotion_name,
    coalesce(ranked.kind, 'unknown') as promotion_kind,
    ranked.discount_pct,
    ranked.starts_on,
    ranked.ends_on
from (select * from ranked where place = 1) as ranked
full outer join used on ranked.promotion_id = used.promotion_id
union all
select
    -1, 'none', false, 'no promotion', 'none', cast(null as numeric(12, 4)), cast(null as date), cast(null as date)
