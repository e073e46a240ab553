/**
 * Where a store lives: the server (system identifier), the database and the table itself. A dump that is restored, into
 * another database, another server or over the old tables, is elsewhere, and the row that came with it still says where it
 * was made. What renumbers none of these (a restart, a failover, VACUUM FULL) leaves it at home.
 *
 * Not every role may read the system identifier: without it the rest has to do.
 */
export const home = `
alter table store add column home text;

create function livekv_home() returns text language plpgsql stable as $$
declare
  server bigint := 0;
begin
  begin
    select system_identifier into server from pg_control_system();
  exception when insufficient_privilege or undefined_function or feature_not_supported then
    server := 0;
  end;
  return server
    || '.' || (select oid from pg_database where datname = current_database())
    || '.' || (select tableoid from store);
end $$;
`
