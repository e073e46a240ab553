/**
 * `npm run cluster`: instances behind Nginx on services of their own. Arguments: how many instances, and settings
 * of theirs: `npm run cluster -- 5 LOG_LEVEL=info`.
 */
import { type ClusterOptions, startCluster } from '../packages/server/test/services/cluster.ts'
import { endWith, runPlayground } from './playground.ts'

function parse(args: readonly string[]): ClusterOptions {
  const options = { instances: 3, environment: {} as Record<string, string> }
  for (const arg of args) {
    const [, name, value] = /^([A-Z_]+)=(.*)$/s.exec(arg) ?? []
    if (name !== undefined && value !== undefined) options.environment[name] = value
    else if (/^[1-9]\d?$/.test(arg)) options.instances = Number(arg)
    else throw new Error(`${arg} is neither a number of instances (1 to 99) nor a setting (NAME=value).`)
  }
  return options
}

async function main(): Promise<void> {
  const options = parse(process.argv.slice(2))
  await runPlayground(
    'cluster.cjs',
    () => startCluster(options),
    ({ url, instances, settings }) => {
      const own = instances.map((instance, index) => `instance ${index + 1}  ${instance.url}`)
      const shared = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
      return `dashboard   ${url}/admin
viewer      ${url}/viewer/gold
${own.join('\n')}

${shared.join('\n')}

Ctrl-C ends all of it and removes its data.`
    },
  )
}

main().catch(endWith)
