/**
 * Prints how each rule's absence goes wrong, by a shortest trace:
 *   node packages/server/test/model/show.ts [rule …]
 */
import { describeExploration, explore } from './explorer.ts'
import { republishOmissions } from './republish.scenarios.ts'
import { fenceOmissions, readsOmissions } from './scenarios.ts'
import { watchOmissions } from './watch.scenarios.ts'

const wanted = process.argv.slice(2)
for (const { rule, sentence, breaks, model } of [
  ...readsOmissions(),
  ...watchOmissions(),
  ...fenceOmissions(),
  ...republishOmissions(),
]) {
  if (wanted.length > 0 && !wanted.includes(rule)) continue
  console.log(`${describeExploration(`without ${rule} (${sentence})`, explore(model, { until: breaks }))}\n`)
}
