-- Every raw record of a body is the current one of its body, an older one, or in quarantine: bodies that core lacks.
select distinct staged.spkid
from {{ ref('stg_small_bodies') }} as staged
left join {{ ref('bodies') }} as bodies on staged.spkid = bodies.spkid
where staged.reject_reason is null and bodies.spkid is null
