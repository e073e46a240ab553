import type { MarkClaim, MarkState, PublishedMark } from '../bus/published-mark.ts'
import type { Database } from './database.ts'
import { HEAD } from './rows.ts'

/**
 * Rule: mark-falls-back. When the topic is another one, the mark falls back by this much: a broker that has not heard
 * of the deletion yet takes and gives records a while longer, and then they are gone.
 */
const FALL_BACK_MS = 10_000
const FALL_BACK_MAX_CHANGES = 100_000

/** Rules: mark-never-falls, mark-of-topic. What is claimed of another topic than the mark's raises nothing. */
const CLAIM = {
  name: 'livekv-claim-mark',
  text: `with claimed as (
      update republishing r set
        holder = $1,
        until = clock_timestamp() + $2::float8 * interval '1 millisecond',
        topic_id = $3,
        published_through = case when coalesce(r.topic_id, $3) = $3
          then greatest(r.published_through, $4::bigint)
          else coalesce(
            (select c.revision from changes c
              where c.revision <= r.published_through and c.revision > r.published_through - ${FALL_BACK_MAX_CHANGES}
                and c.at < (select d.at from changes d where d.revision = r.published_through)
                  - interval '${FALL_BACK_MS} milliseconds'
              order by c.revision desc limit 1),
            greatest(0, r.published_through - ${FALL_BACK_MAX_CHANGES}))
          end
      where r.id = 1 and (r.holder = $1 or r.until < clock_timestamp())
      returning r.topic_id, r.published_through
    )
    select ${HEAD} as head, c.topic_id is not null as "isHeld",
      coalesce(c.topic_id, r.topic_id) as "topicId",
      coalesce(c.published_through, r.published_through)::float8 as "publishedThrough"
    from republishing r left join claimed c on true where r.id = 1`,
}

const RELEASE = {
  name: 'livekv-release-mark',
  text: `update republishing set until = 'epoch' where id = 1 and holder = $1`,
}

/** The mark as one row of PostgreSQL (0003-republishing.ts). */
export class PostgresMark implements PublishedMark {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async claim({ holder, ttlMs, topicId, through }: MarkClaim): Promise<MarkState> {
    const [row] = await this.#database.run<MarkState>('read', CLAIM, [holder, ttlMs, topicId, through])
    if (!row) throw new Error('the table "republishing" has lost its row')
    return row
  }

  async release(holder: string): Promise<void> {
    await this.#database.run('read', RELEASE, [holder])
  }
}
