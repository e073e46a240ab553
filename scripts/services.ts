/** `npm run services`: what several instances share, each on a free port of 127.0.0.1 and with throw-away data. */
import { startBackingServices } from '../packages/server/test/services/backing-services.ts'
import { endWith, runPlayground } from './playground.ts'

runPlayground('services.cjs', startBackingServices, ({ settings }) => {
  const lines = Object.entries(settings).map(([name, value]) => `export ${name}='${value}'`)
  return `PostgreSQL, Redis and Kafka. For the shells in which you call npm start, each with a PORT of its own:

${lines.join('\n')}

Ctrl-C ends them and removes their data.`
}).catch(endWith)
