import { connect, open } from './client.ts'

/** Commits until it is killed; prints what was acknowledged, and how the engine failed if it did. */
const database = await open(process.argv[2]!)
database.onFailure((error) => process.stdout.write(`failed ${error.code} ${error.message}\n`))
const client = await connect(database)
process.stdout.write('ready\n')
try {
  for (let commit = 1; ; commit++) {
    const { rows } = await client.query('select append_rows($1) as last', [1 + (commit % 50)])
    process.stdout.write(`${rows[0].last}\n`)
    if (commit % 200 === 0) await client.query('checkpoint')
  }
} catch (error) {
  process.stdout.write(`rejected ${(error as { code?: string }).code} ${(error as Error).message}\n`)
  await database.close()
}
