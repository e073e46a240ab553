/**
 * One row: up to which revision the topic of the bus is known to hold every change (`published_through`, of the topic
 * `topic_id`), and which instance publishes again what is missing (`holder`, while `until` is not past).
 *
 * A log that was there before begins with what it holds: nobody waited for its past on a bus.
 */
export const republishing = `
create table republishing (
  id integer primary key check (id = 1),
  holder uuid,
  until timestamptz not null default 'epoch',
  topic_id text,
  published_through bigint not null
) with (fillfactor = 50);
insert into republishing (id, published_through) select 1, revision from counter where id = 1;
`
