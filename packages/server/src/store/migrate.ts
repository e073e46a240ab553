import { QueryTypes, type Sequelize, type Transaction } from 'sequelize'
import { Umzug, type UmzugStorage } from 'umzug'
import { StartError } from '../start-error.ts'
import { log } from './migrations/0001-log.ts'
import { commit } from './migrations/0002-commit.ts'
import { republishing } from './migrations/0003-republishing.ts'
import { home } from './migrations/0004-home.ts'
import { SETTLE_HOME } from './store-identity.ts'

/** In the order they are applied. A migration that has shipped never changes: a new one follows it. */
const MIGRATIONS = {
  '0001-log': log,
  '0002-commit': commit,
  '0003-republishing': republishing,
  '0004-home': home,
}

/** Two instances that start at once take turns: one migrates, the other finds it done. */
const LOCK = 7_203_141

/** Brings the schema to this version, refuses a schema of a later one, and notices a store that was made elsewhere. */
export async function migrate(sequelize: Sequelize): Promise<void> {
  await sequelize.transaction(async (transaction) => {
    await sequelize.query('select pg_advisory_xact_lock($1)', { bind: [LOCK], transaction })
    const umzug = new Umzug({
      migrations: Object.entries(MIGRATIONS).map(([name, sql]) => ({
        name,
        up: async () => {
          await sequelize.query(sql, { raw: true, transaction })
        },
      })),
      storage: storage(sequelize, transaction),
      logger: undefined,
    })
    const unknown = (await umzug.executed()).filter(({ name }) => !(name in MIGRATIONS))
    if (unknown.length > 0) {
      throw new StartError(
        `The database was made by a later version of LiveKV (it has ${unknown.map(({ name }) => name).join(', ')}). Start that version, or use another database.`,
      )
    }
    await umzug.up()
    await sequelize.query(SETTLE_HOME, { raw: true, transaction })
  })
}

/** Umzug's own storage for Sequelize writes outside of the transaction. */
function storage(sequelize: Sequelize, transaction: Transaction): UmzugStorage {
  const run = (sql: string, bind: string[] = []) =>
    sequelize.query<{ name: string }>(sql, { bind, transaction, type: QueryTypes.SELECT })
  return {
    async executed() {
      await run(
        'create table if not exists migrations (name text primary key, at timestamptz not null default now())',
      )
      return (await run('select name from migrations order by name')).map(({ name }) => name)
    },
    async logMigration({ name }) {
      await run('insert into migrations (name) values ($1)', [name])
    },
    async unlogMigration({ name }) {
      await run('delete from migrations where name = $1', [name])
    },
  }
}
