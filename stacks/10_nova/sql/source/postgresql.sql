-- The shop, in PostgreSQL. Its columns are of all types that a pipeline may bend; those of 64 bits without a sign are numbers of
-- 20 digits here.
create table if not exists customers (
    id numeric(20, 0) not null primary key,
    email varchar(200),
    name varchar(200) not null,
    nickname varchar(80),
    born_on date,
    registered_on date not null,
    registered_at timestamp(6) with time zone,
    seen_at timestamp(6) without time zone,
    wakes_at time(6) without time zone,
    credit numeric(20, 4) not null,
    score double precision,
    visits bigint not null default 0,
    preferences jsonb,
    avatar bytea,
    blocked boolean not null default false,
    newsletter boolean,
    revision integer not null,
    changed_at timestamp(6) with time zone not null default clock_timestamp()
);

create table if not exists orders (
    id numeric(20, 0) not null primary key,
    customer_id numeric(20, 0) not null,
    placed_at timestamp(6) with time zone,
    due_at timestamp(6) without time zone,
    shipped_on date,
    note text,
    gift boolean,
    weight_kg double precision,
    total numeric(20, 4) not null,
    paid numeric(20, 4) not null,
    revision integer not null,
    changed_at timestamp(6) with time zone not null default clock_timestamp()
);
create index if not exists orders_of_customer on orders (customer_id);

create table if not exists order_lines (
    order_id numeric(20, 0) not null,
    line_no smallint not null,
    sku varchar(40) not null,
    quantity integer not null,
    unit_price numeric(20, 4) not null,
    amount numeric(20, 4) not null,
    discount double precision,
    attributes json,
    revision integer not null,
    changed_at timestamp(6) with time zone not null default clock_timestamp(),
    primary key (order_id, line_no)
);

create table if not exists payments (
    reference varchar(60) collate "C" not null primary key,
    order_id numeric(20, 0) not null,
    amount numeric(20, 4) not null,
    method varchar(20),
    paid_at timestamp(6) with time zone,
    receipt bytea,
    approved boolean not null,
    revision integer not null,
    changed_at timestamp(6) with time zone not null default clock_timestamp()
);
create index if not exists payments_of_order on payments (order_id);

-- Debezium's: orders to it, such as to read a table again.
create table if not exists signals (id varchar(42) not null primary key, type varchar(32) not null, data varchar(2048));

-- A row that Debezium may write, so that the slot moves on while the shop sleeps.
create table if not exists heartbeat (
    id integer not null primary key,
    beat_at timestamp(6) with time zone not null default clock_timestamp()
);

-- The workload's own, not captured: its runs. What each of its transactions changed is in truth_<table>.
create table if not exists runs (
    id integer generated always as identity primary key,
    seed bigint not null,
    started_at timestamp(6) with time zone not null default clock_timestamp()
);
