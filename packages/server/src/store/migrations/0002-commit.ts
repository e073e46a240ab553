/**
 * The commit: one call, one transaction, one round trip.
 *
 *   lock the counter row -> look (repeated idempotency tokens, state of keys) -> decide the items in order
 *   -> append to changes, upsert or delete in entries -> remember tokens -> raise the counter -> answer, commit
 *
 * Rule: lock-first. The lock is the first statement; everything else is a later statement, whose snapshot
 * is taken after the lock was granted.
 *
 * Rules: epoch-under-lock, number-above-last, missing-row-refused. The writer's row is updated only for its
 * present
 * epoch and a batch number above the last one; else LK001 undoes everything.
 * Rules: row-with-batch, whole-result. The answer is stored in that row by the same transaction.
 *
 * It is a procedure that commits before it answers, not a function: a client that stops between Execute and Sync, or
 * stops reading its answer, holds nothing. It costs the same.
 *
 * Puts without conditions or tokens come with p_ops null and take the short way at the top: what a price feed sends is
 * that alone, and the long way costs it half as much again.
 *
 * Arguments are parallel arrays, one element an item; ops: 1 put, 2 delete, 3 increment, 4 touch. An array may be
 * null when no item uses it; p_prev (the index of the item before with the same key, 0: none) is null when no item
 * needs a look at its key beyond plain deletes, and then everything is done set by set.
 *
 * v_ops holds what became of each item: above 0 applied, 0 decided without a change, -1 repeated, -2 token used for
 * another write, -3 undone with its atomic group. v_note holds the exceptions, JSON without its brackets.
 * Answer: [revision before the batch, at in ms, [[index, note…], …]].
 */
export const commit = `
create procedure livekv_commit(
  p_writer uuid, p_epoch bigint, p_batch bigint,
  p_keys text[], p_ops smallint[], p_values text[], p_times bigint[], p_ttls bigint[],
  p_tokens text[], p_hashes text[],
  p_prev integer[], p_conditions bigint[], p_skips boolean[], p_groups integer[],
  inout p_result text
) language plpgsql as $body$
declare
  c_millisecond constant interval := interval '1 millisecond';
  c_digits_max constant integer := 1000;
  v_n constant integer := cardinality(p_keys);
  v_base bigint;
  v_at timestamptz;
  v_count bigint := 0;
  v_ops smallint[] := p_ops;
  v_values text[] := p_values;
  v_kept timestamptz[];
  v_note text[];
  v_revisions bigint[];
  v_latest integer[];
  v_row record;
  v_before integer;
  v_exists boolean;
  v_revision bigint;
  v_value text;
  v_expires timestamptz;
  v_number numeric;
  v_failed boolean;
  v_group integer := 0;
  v_group_start integer;
  v_group_count bigint;
  v_group_failed integer := 0;
begin
  if p_ops is null then
    update counter set revision = revision + v_n, at = greatest(at, date_trunc('milliseconds', clock_timestamp()))
     where id = 1 returning revision - v_n, at into v_base, v_at;
    insert into changes (revision, key, op, value, at, time)
    select v_base + u.n, u.key, 1, u.value::json, v_at, coalesce(timestamptz 'epoch' + u.time * c_millisecond, v_at)
      from unnest(p_keys, p_values, p_times) with ordinality as u(key, value, time, n);
    insert into entries as e (key, value, revision, at, time, expires_at)
    select distinct on (u.key) u.key, u.value::json, v_base + u.n, v_at,
           coalesce(timestamptz 'epoch' + u.time * c_millisecond, v_at), v_at + u.ttl * c_millisecond
      from unnest(p_keys, p_values, p_times, p_ttls) with ordinality as u(key, value, time, ttl, n)
     order by u.key, u.n desc
    on conflict (key) do update set value = excluded.value, revision = excluded.revision, at = excluded.at,
      time = excluded.time, expires_at = excluded.expires_at;
    p_result := '[' || v_base || ',' || (extract(epoch from v_at) * 1000)::bigint || ',[]]';
    update writers set last_batch = p_batch, result = p_result, seen_at = v_at
     where instance = p_writer and epoch = p_epoch and last_batch < p_batch;
    if not found then
      raise exception 'batch % of writer % (epoch %) is fenced off', p_batch, p_writer, p_epoch using errcode = 'LK001';
    end if;
    commit;
    return;
  end if;

  v_note := array_fill(null::text, array[v_n]);
  select revision, greatest(at, date_trunc('milliseconds', clock_timestamp()))
    into v_base, v_at from counter where id = 1 for update;

  if p_tokens is not null then
    for v_row in
      select u.n, u.hash = i.hash as same, i.revision, i.note, i.at
        from unnest(p_tokens, p_hashes) with ordinality as u(token, hash, n)
        cross join lateral (
          select * from idempotency i where i.token = u.token and i.slot in (0, 1) offset 0
        ) i
    loop
      if v_row.same then
        v_ops[v_row.n] := -1;
        v_note[v_row.n] := format('"repeated",%s,%s,[%s]', coalesce(v_row.revision::text, 'null'),
          (extract(epoch from v_row.at) * 1000)::bigint, v_row.note);
      else
        v_ops[v_row.n] := -2;
        v_note[v_row.n] := '"mismatch"';
      end if;
    end loop;
  end if;

  if p_prev is null then
    if 2 = any(v_ops) then
      for v_row in
        select w.n from (
          select u.n, u.op, u.key, lag(u.op) over (partition by u.key order by u.n) as before
            from unnest(p_keys, v_ops) with ordinality as u(key, op, n) where u.op > 0
        ) w
        where w.op = 2 and not coalesce(w.before = 1, exists (select from entries e where e.key = w.key))
      loop
        v_ops[v_row.n] := 0;
        v_note[v_row.n] := '"unchanged",0';
      end loop;
    end if;
    select count(*) into v_count from unnest(v_ops) as u(op) where u.op > 0;
  else
    v_kept := array_fill(null::timestamptz, array[v_n]);
    v_revisions := array_fill(0::bigint, array[v_n]);
    v_latest := array_fill(0, array[v_n]);
    for i in 1 .. v_n loop
      v_before := coalesce(v_latest[p_prev[i]], 0);
      v_latest[i] := v_before;
      if p_groups[i] > 0 then
        if p_groups[i] = v_group_failed then
          if v_ops[i] <> -1 then
            v_ops[i] := -3;
            v_note[i] := '"aborted"';
          end if;
          continue;
        end if;
        if p_groups[i] <> v_group then
          v_group := p_groups[i];
          v_group_start := i;
          v_group_count := v_count;
        end if;
      end if;
      -- A failure that is repeated fails its group as it would have the first time.
      v_failed := v_ops[i] = -2 or (v_ops[i] = -1 and p_groups[i] > 0
        and v_note[i] like '"repeated",null,%' and v_note[i] not like '%["unchanged",%');
      continue when v_ops[i] = -1 and not v_failed;

      if not v_failed then
        if p_ops[i] <> 1 or p_conditions[i] is not null or p_skips[i] then
          if v_before > 0 then
            v_exists := v_ops[v_before] <> 2;
            v_revision := v_revisions[v_before];
            v_value := v_values[v_before];
            v_expires := coalesce(v_at + p_ttls[v_before] * c_millisecond, v_kept[v_before]);
          else
            select e.revision, e.value::text, e.expires_at into v_revision, v_value, v_expires
              from entries e where e.key = p_keys[i];
            v_exists := found;
          end if;
        end if;

        if p_conditions[i] is not null and p_conditions[i] <> (case when v_exists then v_revision else 0 end) then
          v_failed := true;
          v_note[i] := '"conflict",' || (case when v_exists then v_revision else 0 end);
        elsif p_ops[i] = 1 then
          if p_skips[i] and v_exists and v_value = v_values[i] then
            v_ops[i] := 0;
            v_note[i] := '"unchanged",' || v_revision;
          end if;
        elsif p_ops[i] = 2 then
          if not v_exists then
            v_ops[i] := 0;
            v_note[i] := '"unchanged",0';
          end if;
        elsif p_ops[i] = 3 then
          if not v_exists then
            v_value := '0';
            v_expires := null;
          end if;
          if v_value !~ '^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$' then
            v_failed := true;
            v_note[i] := '"not-a-number"';
          elsif greatest(length(v_value), length(v_values[i])) > c_digits_max
              or v_value || ' ' || v_values[i] ~ '[eE][+-]?[0-9]{4}' then
            -- Past the scale of numeric; an error here would cost the whole batch its transaction.
            v_failed := true;
            v_note[i] := '"out-of-range"';
          else
            v_number := v_value::numeric + v_values[i]::numeric;
            if abs(v_number) > 1.7976931348623157e308 then
              v_failed := true;
              v_note[i] := '"out-of-range"';
            else
              v_values[i] := case when length(v_number::text) > 40 then (v_number::float8)::text else v_number::text end;
              v_kept[i] := v_expires;
              v_note[i] := '"value",' || to_json(v_values[i]);
            end if;
          end if;
        elsif not v_exists then
          v_failed := true;
          v_note[i] := '"missing"';
        else
          v_values[i] := v_value;
          v_note[i] := '"value",' || to_json(v_value);
        end if;
      end if;

      if v_failed and p_groups[i] > 0 then
        v_ops[i] := -3;
        v_group_failed := v_group;
        v_count := v_group_count;
        for k in v_group_start .. i - 1 loop
          v_latest[k] := coalesce(v_latest[p_prev[k]], 0);
          if v_ops[k] <> -1 then
            v_ops[k] := -3;
            v_note[k] := '"aborted"';
          end if;
        end loop;
        v_latest[i] := coalesce(v_latest[p_prev[i]], 0);
      elsif v_failed then
        v_ops[i] := least(v_ops[i], 0);
      elsif v_ops[i] > 0 then
        v_count := v_count + 1;
        v_revisions[i] := v_base + v_count;
        v_latest[i] := i;
      end if;
    end loop;
  end if;

  if v_count > 0 then
    with w as materialized (
      select u.key, u.op, u.value::json as value, v_base + row_number() over (order by u.n) as revision,
             coalesce(timestamptz 'epoch' + u.time * c_millisecond, v_at) as time,
             coalesce(v_at + u.ttl * c_millisecond, u.kept) as expires_at
        from unnest(p_keys, v_ops, v_values, p_times, p_ttls, v_kept)
             with ordinality as u(key, op, value, time, ttl, kept, n)
       where u.op > 0
    ), logged as (
      insert into changes (revision, key, op, value, at, time)
      select w.revision, w.key, case w.op when 2 then 2 else 1 end, w.value, v_at, w.time from w
    ), latest as materialized (
      select distinct on (w.key) w.* from w order by w.key, w.revision desc
    ), gone as (
      delete from entries e using latest l where e.key = l.key and l.op = 2
    )
    insert into entries as e (key, value, revision, at, time, expires_at)
    select l.key, l.value, l.revision, v_at, l.time, l.expires_at from latest l where l.op <> 2
    on conflict (key) do update set value = excluded.value, revision = excluded.revision, at = excluded.at,
      time = excluded.time, expires_at = excluded.expires_at;
    update counter set revision = v_base + v_count, at = v_at where id = 1;
  end if;

  if p_tokens is not null then
    insert into idempotency (slot, token, hash, at, revision, note)
    select s.token_slot, r.token, r.hash, v_at, case when r.op > 0 then v_base + r.applied end, r.note from (
      select u.token, u.hash, u.op, u.note, count(*) filter (where u.op > 0) over (order by u.n) as applied
        from unnest(p_tokens, p_hashes, v_ops, v_note) with ordinality as u(token, hash, op, note, n)
    ) r cross join store s where r.token is not null and r.op >= 0;
  end if;

  p_result := format('[%s,%s,[%s]]', v_base, (extract(epoch from v_at) * 1000)::bigint, (
    select string_agg(format('[%s,%s]', u.n - 1, u.note), ',' order by u.n)
      from unnest(v_note) with ordinality as u(note, n) where u.note is not null));
  update writers set last_batch = p_batch, result = p_result, seen_at = v_at
   where instance = p_writer and epoch = p_epoch and last_batch < p_batch;
  if not found then
    raise exception 'batch % of writer % (epoch %) is fenced off', p_batch, p_writer, p_epoch using errcode = 'LK001';
  end if;
  commit;
end
$body$;

-- Rules: fence-raises-epoch, fence-under-lock.
create procedure livekv_fence(p_writer uuid, inout p_epoch bigint, inout p_batch bigint, inout p_result text)
language plpgsql as $body$
begin
  perform 1 from counter where id = 1 for update;
  update writers set epoch = epoch + 1 where instance = p_writer
    returning epoch, last_batch, result into p_epoch, p_batch, p_result;
  commit;
end
$body$;

create procedure livekv_rotate_tokens(p_kept_ms bigint) language plpgsql as $body$
declare
  v_slot smallint;
begin
  perform set_config('lock_timeout', '100ms', true);
  perform 1 from counter where id = 1 for update;
  update store set token_slot = 1 - token_slot, token_slot_since = clock_timestamp()
   where token_slot_since < clock_timestamp() - p_kept_ms * interval '1 millisecond'
    returning token_slot into v_slot;
  if found then
    execute format('truncate idempotency_%s', v_slot);
  end if;
  commit;
end
$body$;
`
