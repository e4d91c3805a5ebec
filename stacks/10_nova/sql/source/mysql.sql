-- The shop, in MySQL. Its columns are of all types that a pipeline may bend.
--
-- Without foreign keys: what they cascade is not in the binary log, so no pipeline could see it.
create table if not exists customers (
    id bigint unsigned not null primary key,
    email varchar(200),
    name varchar(200) not null,
    nickname varchar(80),
    born_on date,
    registered_on date not null,
    registered_at timestamp(6) null,
    seen_at datetime(6),
    wakes_at time(6),
    credit decimal(20, 4) not null,
    score double,
    visits int unsigned not null default 0,
    preferences json,
    avatar varbinary(200),
    blocked bit(1) not null default b'0',
    newsletter boolean,
    revision int not null,
    changed_at timestamp(6) not null default current_timestamp(6)
) character set utf8mb4;

create table if not exists orders (
    id bigint unsigned not null primary key,
    customer_id bigint unsigned not null,
    placed_at timestamp(6) null,
    due_at datetime(6),
    shipped_on date,
    note text,
    gift bit(1),
    weight_kg double,
    total decimal(20, 4) not null,
    paid decimal(20, 4) not null,
    revision int not null,
    changed_at timestamp(6) not null default current_timestamp(6),
    key orders_of_customer (customer_id)
) character set utf8mb4;

create table if not exists order_lines (
    order_id bigint unsigned not null,
    line_no smallint not null,
    sku varchar(40) not null,
    quantity int not null,
    unit_price decimal(20, 4) not null,
    amount decimal(20, 4) not null,
    discount double,
    attributes json,
    revision int not null,
    changed_at timestamp(6) not null default current_timestamp(6),
    primary key (order_id, line_no)
) character set utf8mb4;

create table if not exists payments (
    reference varchar(60) character set utf8mb4 collate utf8mb4_bin not null primary key,
    order_id bigint unsigned not null,
    amount decimal(20, 4) not null,
    method varchar(20),
    paid_at timestamp(6) null,
    receipt varbinary(64),
    approved bit(1) not null,
    revision int not null,
    changed_at timestamp(6) not null default current_timestamp(6),
    key payments_of_order (order_id)
) character set utf8mb4;

-- Debezium's: orders to it, such as to read a table again.
create table if not exists signals (id varchar(42) not null primary key, type varchar(32) not null, data varchar(2048));

-- A row that Debezium may write, so that the log moves on while the shop sleeps.
create table if not exists heartbeat (id int not null primary key, beat_at timestamp(6) not null default current_timestamp(6));

-- The workload's own, not captured: its runs. What each of its transactions changed is in truth_<table>.
create table if not exists runs (
    id int unsigned not null auto_increment primary key,
    seed bigint not null,
    started_at timestamp(6) not null default current_timestamp(6)
);
