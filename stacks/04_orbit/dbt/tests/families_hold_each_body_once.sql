select counted.total, families.total as in_families
from (select count(*) as total from {{ ref('bodies') }}) as counted
cross join (select sum(bodies) as total from {{ ref('hazard_by_family') }}) as families
where counted.total <> families.total
